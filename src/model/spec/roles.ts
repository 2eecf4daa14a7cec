import type { BrokenRule } from './problem.ts'
import type { Role } from './role-field.ts'
import type { Spec } from './spec.ts'

/** The roles of a gang in the order of its ranks; without any, all ranks are one without a name. */
export function rolesOf(spec: Spec): Role[] {
  if (spec.kind === 'job' && spec.roles) return spec.roles
  const { nodes, resources, run } = spec
  return [{ name: '', nodes, resources, run, env: {} }]
}

/** What a rank does. Ranks are numbered in the order of roles. */
export function roleOfRank(spec: Spec, rank: number): Role {
  let last = 0
  for (const role of rolesOf(spec)) if (rank < (last += role.nodes)) return role
  throw new RangeError(`a gang of ${last} has no rank ${rank}`)
}

export function roleRules(spec: Spec): BrokenRule[] {
  const roles = rolesOf(spec)
  const names = roles.map(({ name }) => name)
  const isWritten = names[0] !== ''
  return roles.flatMap(({ name, run }, index) => {
    const path = isWritten ? ['roles', index] : []
    return [
      ...(names.indexOf(name) < index
        ? [{ path: [...path, 'name'], message: `two roles are called ${name}`, fix: 'choose another name' }]
        : []),
      ...(run.trim() === ''
        ? [{ path: [...path, 'run'], message: 'there is nothing to run', fix: 'write the commands that do the work' }]
        : []),
    ]
  })
}
