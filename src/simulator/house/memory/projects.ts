import { treeProblem, type TreeProblem } from '#model/project-tree.ts'
import type { Project } from '#model/project.ts'
import type { Projects } from '#store/settings.ts'
import { jsonb } from './jsonb.ts'
import type { Memory } from './memory.ts'
import { all, spentKey } from './tables.ts'

export const createProjects = (memory: Memory): Projects => ({
  list: () => memory.read(() => listProjects(memory)),
  async put(project) {
    const done = await memory.write(() => change(memory, project.name, () => project))
    return 'problem' in done ? done : null
  },
  change: (name, decide) => memory.write(() => change(memory, name, decide)),
})

export const listProjects = ({ projects }: Memory): Project[] => projects.byName.get(all).map((row) => ({ ...row }))

function change(memory: Memory, name: string, decide: Parameters<Projects['change']>[1]): Project | TreeProblem {
  const others = listProjects(memory)
  const project = decide(others.find((one) => one.name === name) ?? null)
  const problem = treeProblem([...others.filter((one) => one.name !== name), project])
  return problem ?? written(memory, project)
}

function written({ projects, spent, tell }: Memory, project: Project): Project {
  const { name, parent, weight, quota, borrowing, lending, budgetMicros, policy, preemption } = project
  const row: Project = {
    name,
    parent,
    weight,
    quota: jsonb(quota),
    borrowing: jsonb(borrowing),
    lending: jsonb(lending),
    budgetMicros,
    policy: jsonb(policy),
    preemption: jsonb(preemption),
  }
  const before = projects.get(name)
  const its = spent.get(spentKey({ kind: 'project', name }))
  // Another budget is warned of anew.
  if (its && before && before.budgetMicros !== budgetMicros) spent.update(its, { warnedAt: null })
  if (before) projects.update(before, row)
  else projects.insert(row)
  tell({ nudges: ['admit'] })
  return { ...row }
}
