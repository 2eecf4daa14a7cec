import type { Claim, Claims } from '#store/store.ts'
import type { Memory } from './memory.ts'

const dayMs = 86_400_000
/** A control plane that was not heard for so long is gone. */
const heardMs = 15_000

export function createClaims(memory: Memory): Claims {
  const { claims, planes, clock, write, hurry, tell } = memory
  return {
    take: (name, holder, seconds) =>
      hurry(() => {
        const now = clock.now()
        const row = claims.get(name)
        const expiresAt = now + seconds * 1000
        if (!row) {
          claims.insert({ name, holder, epoch: 1, expiresAt })
          return { name, holder, epoch: 1 }
        }
        const isOver = row.expiresAt <= now
        if (row.holder !== holder && !isOver) return null
        const epoch = row.epoch + (row.holder !== holder || isOver ? 1 : 0)
        claims.update(row, { holder, epoch, expiresAt })
        return { name, holder, epoch }
      }),
    keep: (kept) => hurry(() => keep(memory, kept)),
    release: (claim) =>
      write(() => {
        const row = claims.get(claim.name)
        if (row && holds(memory, claim)) claims.update(row, { expiresAt: clock.now() })
      }),
    async announce({ id, url }, renewed) {
      const { isNew, ...heard } = await hurry(() => {
        const now = clock.now()
        const others = [...planes.all()].filter((one) => one.id !== id && one.heardAt > now - heardMs)
        const row = planes.get(id)
        if (row) planes.update(row, { url, heardAt: now })
        else planes.insert({ id, url, heardAt: now })
        const all = [{ id, url }, ...others.map((one) => ({ id: one.id, url: one.url }))]
        all.sort((a, b) => (a.id < b.id ? -1 : 1))
        return { planes: all, kept: keep(memory, renewed), isNew: !row }
      })
      if (isNew)
        await write(() => {
          tell({ nudges: ['planes'] })
          for (const plane of planes.all()) if (plane.heardAt < clock.now() - dayMs) planes.remove(plane)
        })
      return heard
    },
    withdraw: (id) =>
      write(() => {
        const now = clock.now()
        const row = planes.get(id)
        if (row) planes.remove(row)
        for (const claim of claims.byHolder.get(id)) if (claim.expiresAt > now) claims.update(claim, { expiresAt: now })
      }),
  }
}

function keep(memory: Memory, kept: Parameters<Claims['keep']>[0]): Claim[] {
  const { claims, clock } = memory
  const now = clock.now()
  const stands = kept.filter((one) => holds(memory, one) && (claims.get(one.name)?.expiresAt ?? 0) > now)
  for (const { name, seconds } of stands) {
    const row = claims.get(name)
    if (row) claims.update(row, { expiresAt: now + seconds * 1000 })
  }
  return stands
    .map(({ name, holder, epoch }) => ({ name, holder, epoch }))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** Whether the claim still holds. */
export function holds({ claims }: Memory, { name, holder, epoch }: Claim): boolean {
  const row = claims.get(name)
  return row !== undefined && row.holder === holder && row.epoch === epoch
}
