import { occupyingStates } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Node } from '#model/site.ts'
import type { Store } from '#store/store.ts'
import type { LeaseRow, Tables } from './tables.ts'

/** What was taken of an offer when something more of it was placed. */
export type Decision = {
  /** `provider/site tier shape`. */
  offer: string
  leases: readonly LeaseRow[]
  /** Those of them that were placed by it. */
  placed: ReadonlySet<string>
  /** The nodes that were told of its site, by what the decision was made on or was known when it was written; null: none were. */
  told: readonly (readonly Node[] | null)[]
  /** Nodes that there were to be had, by what the decision was made on or by what was known when it was written. */
  most: number
}

/** Notes what is decided on which offers, at the moment when it is written. */
export type Decisions = {
  /** The same store, as one process has it, whose decisions are noted. */
  of(store: Store): Store
  /** All since it was asked last. */
  taken(): Decision[]
}

/** A site, as far as it matters how much there is. */
type Offering = { site: string; offers: readonly Offer[]; nodes: readonly Node[] | null }

export function createDecisions(tables: () => Tables | Promise<Tables>): Decisions {
  let all: Decision[] = []
  return {
    of(store) {
      let read: readonly Offering[] = []
      const placement: Store['placement'] = {
        ...store.placement,
        async snapshot(options) {
          const snapshot = await store.placement.snapshot(options)
          if (isToAdmit(options) && snapshot.sites.length > 0) read = snapshot.sites
          return snapshot
        },
        async commit(...given) {
          const written = await store.placement.commit(...given)
          if (written) all.push(...decisionsOf(new Set(given[1].map(({ leaseId }) => leaseId)), read, await tables()))
          return written
        },
      }
      return { ...store, placement }
    },
    taken() {
      const taken = all
      all = []
      return taken
    },
  }
}

/** Others read as well, to plan or to answer people, and may do so between what admission has read and what it writes. */
const isToAdmit = ({ unlessIdle, few }: Parameters<Store['placement']['snapshot']>[0]): boolean =>
  unlessIdle === true && few !== undefined

function decisionsOf(placed: ReadonlySet<string>, read: readonly Offering[], { leases, sites }: Tables): Decision[] {
  const taken = [...leases.values()].filter(({ state }) => occupyingStates.some((one) => one === state))
  const touched = new Set(taken.filter(({ id }) => placed.has(id)).map(offerOf))
  return [...Map.groupBy(taken, offerOf)].flatMap(([offer, its]) => {
    const [first] = its
    if (!first || !touched.has(offer)) return []
    const site = `${first.provider}/${first.site}`
    const known = [...read.filter((one) => one.site === site), ...[sites.get(site) ?? []].flat()]
    const most = Math.max(0, ...known.map((one) => availableTo(first, one)))
    return [{ offer, leases: its, placed, most, told: known.map(({ nodes }) => nodes) }]
  })
}

const offerOf = ({ provider, site, tier, shape }: LeaseRow): string => `${provider}/${site} ${tier} ${shape}`

function availableTo({ tier, shape }: LeaseRow, { nodes, offers }: Offering): number {
  if (nodes) return Infinity // they have names, and are counted by these
  const its = offers.filter((offer) => offer.tier === tier && offer.shape.name === shape)
  return Math.max(0, ...its.map(({ available, divisible }) => (divisible ? Infinity : (available ?? Infinity))))
}
