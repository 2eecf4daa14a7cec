import { meter } from '#engine/metering/meter.ts'
import { costMicros } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import { Project } from '#model/project.ts'
import type { CostGroup } from '#store/store.ts'
import { aNode, anOffer } from '#test/builders.ts'
import { about, idOf, projects, siteKeys, siteNames, type Step } from './drawn.ts'
import { Checked } from './pair.ts'

/** What is kept of sites, money, events, projects and secrets. */

/** All sites are there and answer. */
export const found: Step = async (pair, draw) => {
  const now = pair.clock.at
  for (const name of siteNames) {
    const put = { provider: 'local', name, jurisdictions: ['DE'], patienceMs: 30_000 } as const
    const offers = [anOffer({ site: name, price: 1 + draw.below(3), asOf: now })]
    await pair.ask((store) => store.sites.put({ ...put, jurisdictions: [...put.jurisdictions] }, now))
    await pair.ask((store) => store.sites.offered(`local/${name}`, offers, null, now))
  }
}

export const site: Step = async (pair, draw, told) => {
  const name = draw.of(siteNames)
  const key = `local/${name}`
  const now = pair.clock.at
  const patienceMs = draw.of([30_000, 60_000])
  switch (draw.below(10)) {
    case 8:
    case 9:
      return joining(pair, draw, told)
    case 0:
    case 1:
      return pair.ask((store) =>
        store.sites.put({ provider: 'local', name, jurisdictions: ['DE', 'EU'], patienceMs, upWithinMs: 300_000 }, now),
      )
    case 2:
    case 3: {
      const offers = draw
        .some([1, 2, 3], 3)
        .map((price) => anOffer({ site: name, price: draw.chance(0.9) ? price : 9, asOf: now }))
      const nodes = draw.chance(0.5) ? [aNode({ name: `n${draw.below(2)}` })] : null
      return pair.ask((store) => store.sites.offered(key, offers, nodes, now))
    }
    case 4: {
      const reach = draw.of(['reachable', 'unreachable', 'denied'])
      const detail = draw.of(['why', 'why else', ''])
      const [claimed, holder] = [`observe:${key}`, draw.of(['a', 'b'])]
      const claim = (await pair.ask((store) => store.claims.take(claimed, holder, 60))) ?? {
        name: claimed,
        holder,
        epoch: 1,
      }
      return pair.ask((store) => store.sites.reached({ site: key, reach, detail, since: now }, claim))
    }
    case 5:
      return pair.ask((store) => store.sites.forget(key))
    case 6:
      return pair.ask((store) => store.market.sites())
    default:
      return pair.ask((store) => store.sites.list())
  }
}

/** One site may be joined, beside those that files declare. */
const joining: Step = async (pair, draw) => {
  const now = pair.clock.at
  const name = draw.chance(0.7) ? 'joined' : draw.of(siteNames)
  const key = `local/${name}`
  const put = { provider: 'local' as const, name, jurisdictions: ['SE'], patienceMs: 30_000 }
  const [stop, gone] = [draw.chance(0.5), draw.chance(0.2)]
  // Mostly in this order, so that there is something to leave; each of them may be left out.
  if (draw.chance(0.6)) await pair.ask((store) => store.joined.add(put, { name, price: '$1/h' }, now))
  const read = await pair.ask((store) => store.joined.list())
  if (draw.chance(0.5)) await pair.ask((store) => store.joined.leave(key, { stop, gone, now }))
  const leaving = (draw.chance(0.7) ? await pair.ask((store) => store.joined.list()) : read).find(
    (one) => one.key === key,
  )?.leaving
  if (leaving)
    await pair.ask((store) =>
      store.joined.remains(key, { ...leaving, remains: [{ what: '1 gang is there', fix: null }] }),
    )
  if (draw.chance(0.5)) await pair.ask((store) => store.joined.list())
  if (draw.chance(0.3)) await pair.ask((store) => store.joined.remove(key, now))
}

export const market: Step = async (pair, draw) => {
  const halfLifeMs = draw.of([600_000, 86_400_000])
  const key = draw.one(siteKeys) ?? ''
  if (draw.chance(0.6)) await pair.ask((store) => store.market.spot({ site: key, now: pair.clock.at, halfLifeMs }))
  else {
    const since = draw.of([0, about(pair, draw, 3_600_000)])
    await pair.ask((store) => store.market.sent(since))
  }
}

export const bill: Step = async (pair, draw) => {
  const now = draw.chance(0.9) ? pair.clock.at : about(pair, draw)
  const most = draw.of([2, 1000])
  const leases = await pair.ask((store) => store.ledger.unmetered(most))
  const entries = leases.flatMap((lease) => meter(lease, now)).filter(() => draw.chance(0.97))
  const odd = draw.one(leases)
  if (odd && draw.chance(0.1)) entries.push(anEntry(odd, about(pair, draw), draw.below(90_000)))
  await pair.ask((store) => store.ledger.add(entries))
}

type Billed = Omit<Entry, 'from' | 'to' | 'lease' | 'amountMicros'> & { id: string; priceMicros: number }

const anEntry = (lease: Billed, from: number, ms: number): Entry => {
  const { id, workload, project, provider, site: its, tier, priceMicros } = lease
  const amountMicros = costMicros(BigInt(priceMicros), ms)
  return { lease: id, workload, project, provider, site: its, tier, from, to: from + ms, amountMicros }
}

const groups: readonly CostGroup[] = ['workload', 'project', 'provider', 'site', 'tier', 'day', 'hour']

export const money: Step = async (pair, draw) => {
  const workload = idOf(draw, pair.tables.workloads.all())
  switch (draw.below(3)) {
    case 0: {
      const kind = draw.of(['workload', 'project'])
      const names = kind === 'workload' ? [workload, 'x-none'] : draw.some(projects, 3)
      const until = draw.chance(0.6) ? pair.clock.at : undefined
      return pair.ask((store) => store.ledger.spent(kind, names, until))
    }
    case 1: {
      const name = draw.of(projects)
      return pair.ask((store) => store.ledger.warnOnce(name, pair.clock.at))
    }
    default: {
      const filter = {
        ...(draw.chance(0.3) && { project: draw.of(projects) }),
        ...(draw.chance(0.3) && { workload }),
        ...(draw.chance(0.3) && { from: about(pair, draw, 3_600_000) }),
        ...(draw.chance(0.3) && { to: about(pair, draw) }),
      }
      const by = draw.some(groups, 3)
      return pair.ask((store) => store.ledger.cost(filter, by))
    }
  }
}

export const events: Step = async (pair, draw) => {
  const of = {
    ...(draw.chance(0.4) && { workload: idOf(draw, pair.tables.workloads.all()) }),
    ...(draw.chance(0.3) && { project: draw.of(projects) }),
  }
  const most = 1 + draw.below(20)
  switch (draw.below(4)) {
    case 0: {
      const told = {
        type: 'test.told',
        workload: of.workload ?? null,
        project: null,
        message: 'so',
        data: { z: 1, a: '' },
      }
      return pair.ask((store) => store.events.add([told, { ...told, message: 'it is' }], pair.clock.at))
    }
    case 1:
      return pair.ask(async (store) => {
        const first = await store.events.since(null, { ...of, most })
        const rest = await store.events.since(first.at(-1)?.cursor ?? null, { ...of, most: 100_000 })
        return [...first, ...rest]
      })
    case 2:
      return pair.ask(async (store) => (await store.events.latest({ ...of, most })).map(({ at }) => at))
    default:
      return pair.ask((store) => store.events.latest({ ...of, most: 100_000 }))
  }
}

export const project: Step = async (pair, draw) => {
  const name = draw.of(projects)
  const parent = draw.of([null, null, 'default', 'red'])
  const reclaim = draw.of(['never', 'any'])
  const budgetMicros = draw.of([null, 1_000_000, 5_000_000])
  const put = Project.parse({ name, parent, budgetMicros, quota: { nodes: 4 }, preemption: { reclaim } })
  switch (draw.below(4)) {
    case 0:
      return pair.ask((store) => store.projects.list())
    case 1:
      return pair.ask((store) =>
        store.projects.change(name, (present) => {
          if (present?.budgetMicros === 1_000_000) throw new Checked('it is poor')
          return { ...(present ?? put), weight: 7 }
        }),
      )
    default:
      return pair.ask((store) => store.projects.put(put))
  }
}

function mustBeNew(present: unknown): void {
  if (present !== null) throw new Checked('it is there')
}

export const secret: Step = async (pair, draw) => {
  const of = draw.of(['default', 'default', 'red'])
  const name = draw.of(['TOKEN', 'TOKEN', 'KEY'])
  const asked = draw.chance(0.2) ? mustBeNew : undefined
  const sealed = Uint8Array.of(draw.below(256), 1, 2)
  const mark = draw.of(['key-1', 'key-2'])
  if (draw.chance(0.5))
    await pair.ask((store) => store.secrets.put(of, { name, sealed, updatedAt: pair.clock.at }, asked))
  if (draw.chance(0.3)) await pair.ask((store) => store.secrets.remove(of, name, asked))
  if (draw.chance(0.3)) await pair.ask((store) => store.secrets.sameKey(mark))
  switch (draw.below(4)) {
    case 0:
      return pair.ask((store) => store.secrets.list(of))
    case 1:
      return pair.ask((store) => store.secrets.find(of, name))
    case 2:
      return pair.ask((store) => store.secrets.get(of, ['TOKEN', 'KEY', 'NONE']))
    default:
      return pair.ask((store) => store.secrets.hasKey())
  }
}

export const others: Step = (pair) => pair.ask((store) => store.requireSchema())
