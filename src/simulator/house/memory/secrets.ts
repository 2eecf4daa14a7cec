import type { Secrets, StoredSecret } from '#store/settings.ts'
import type { Memory } from './memory.ts'

/** A key may take the place of another once no control plane was heard for so long. */
const heardMs = 15_000

export function createSecrets({ secrets, leases, planes, house, clock, read, write, tell }: Memory): Secrets {
  const rowOf = (project: string, name: string) => secrets.get(`${project} ${name}`)
  const found = (project: string, name: string): StoredSecret | null => {
    const row = rowOf(project, name)
    return row ? { name: row.name, sealed: Buffer.from(row.sealed), updatedAt: row.updatedAt } : null
  }
  const isInUse = (): boolean =>
    secrets.size > 0 || !leases.open.isEmpty || [...planes.all()].some(({ heardAt }) => heardAt > clock.now() - heardMs)
  return {
    put: (project, { name, sealed, updatedAt }, check) =>
      write(() => {
        check?.(found(project, name))
        const row = rowOf(project, name)
        if (row) secrets.update(row, { sealed: Buffer.from(sealed), updatedAt })
        else secrets.insert({ project, name, sealed: Buffer.from(sealed), updatedAt })
        tell({ nudges: ['admit'] })
      }),
    list: (project) => read(() => secrets.byProject.get(project).map(({ name, updatedAt }) => ({ name, updatedAt }))),
    find: (project, name) => read(() => found(project, name)),
    get: (project, names) =>
      read(() => {
        const wanted = names.flatMap((name) => rowOf(project, name) ?? [])
        return new Map(wanted.map(({ name, sealed }) => [name, new Uint8Array(sealed)]))
      }),
    remove: (project, name, check) =>
      write(() => {
        check?.(found(project, name))
        const row = rowOf(project, name)
        if (row) secrets.remove(row)
        tell({ nudges: ['admit'] })
        return row !== undefined
      }),
    sameKey: (mark) =>
      write(() => {
        const row = house.get('house')
        if (!row) return false
        if (row.keyMark === null || !isInUse()) house.update(row, { keyMark: mark })
        return row.keyMark === mark
      }),
    hasKey: () => read(() => typeof house.get('house')?.keyMark === 'string'),
  }
}
