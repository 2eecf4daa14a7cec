import type { QuotaNode } from './quota.ts'
import type { Lack, Signature, Way } from './request.ts'

/** Who is to be asked, and who sleeps until that may change for which nobody looks before. */
export type Sleepers = {
  readonly awake: ReadonlySet<Signature>
  /** Is told of everybody who comes among these. */
  whenAwake: (hear: (signature: Signature) => void) => void
  /** Puts somebody among those who sleep for what they lack, or with null among those who are to be asked. */
  add: (signature: Signature, lack: Lack | null) => void
  remove: (signature: Signature) => void
  /** All who sleep and could stand in a cell. */
  on: (cell: number) => ReadonlySet<Signature>
  /** There may be more room in a cell, and more quota in the tree of a project. */
  stir: (cell: number, project: string | null) => void
  /** Asks about all for whom something was stirred up, and wakes them. */
  wake: (may: May) => void
  rootOf: (project: string) => string
}

type May = {
  mayHaveQuota: (signature: Signature) => boolean
  /** Asked with `isOpen` false and true, so that fences are moved once for all who pass them and all who do not. */
  mayHaveRoom: (signature: Signature, way: Way, isOpen: boolean) => boolean
}

export function createSleepers(cells: number, quotas: readonly QuotaNode[]): Sleepers {
  const awake = new Set<Signature>()
  let tell: ((signature: Signature) => void) | null = null
  const onCell = Array.from({ length: cells }, () => new Set<Signature>())
  const underRoot = new Map<string, Set<Signature>>()
  const [grown, freed] = [new Set<number>(), new Set<string>()]
  const parents = new Map(quotas.map(({ name, parent }) => [name, parent]))
  const rootOf = (project: string): string => {
    let root = project
    for (let above = parents.get(root); above; above = parents.get(root)) root = above
    return root
  }
  function remove(signature: Signature): void {
    awake.delete(signature)
    for (const cell of signature.cells) onCell[cell]?.delete(signature)
    underRoot.get(rootOf(signature.want.project))?.delete(signature)
  }
  function add(signature: Signature, lack: Lack | null): void {
    remove(signature)
    signature.asleep = lack
    if (lack === null) {
      awake.add(signature)
      tell?.(signature)
      return
    }
    for (const cell of signature.cells) onCell[cell]?.add(signature)
    if (!lack.quota) return
    const root = rootOf(signature.want.project)
    const same = underRoot.get(root) ?? new Set()
    underRoot.set(root, same.add(signature))
  }
  return {
    awake,
    whenAwake(hear) {
      tell = hear
    },
    add,
    remove,
    rootOf,
    on: (cell) => onCell[cell] ?? new Set(),
    stir(cell, project) {
      grown.add(cell)
      if (project !== null) freed.add(rootOf(project))
    },
    wake({ mayHaveQuota, mayHaveRoom }) {
      for (const root of freed)
        for (const signature of underRoot.get(root) ?? []) if (mayHaveQuota(signature)) add(signature, null)
      for (const cell of grown)
        for (const isOpen of [false, true])
          for (const signature of onCell[cell] ?? [])
            if (
              signature.asleep?.room &&
              signature.ways.some((way) => way.cell === cell && mayHaveRoom(signature, way, isOpen))
            )
              add(signature, null)
      freed.clear()
      grown.clear()
    },
  }
}
