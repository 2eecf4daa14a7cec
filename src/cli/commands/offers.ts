import type { OfferList, OfferView, SiteList, SiteView } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { showList } from '#cli/output/show.ts'
import type { Column } from '#cli/output/table.ts'
import { ago, count, paintOf } from '#cli/output/words.ts'
import { formatDuration, roundDuration } from '#kit/duration.ts'

/** Whole gigabytes where there are many; the exact size is in the data. */
const gigabytes = (sizeMiB: number): string => `${Number((sizeMiB / 1024).toFixed(sizeMiB < 10_240 ? 1 : 0))}GB`

/** `isobar offers` */
export async function offers(call: Call): Promise<void> {
  const api = await call.api()
  const query = { site: call.text('site'), tier: call.text('tier'), accelerator: call.text('gpu') }
  const list = await api.get<OfferList>('/v1/offers', query)
  const now = Date.now()
  await showList(call, {
    data: list,
    items: list.items,
    columns: [
      { title: 'SITE', cell: ({ site }) => site },
      { title: 'TIER', cell: ({ tier }) => tier },
      { title: 'SHAPE', cell: ({ shape }) => shape.name, text: true },
      {
        title: 'ACCELERATORS',
        cell: ({ shape }) => (shape.accelerators > 0 ? `${shape.accelerator}:${shape.accelerators}` : ''),
      },
      { title: 'CPUS', cell: ({ shape }) => String(shape.cpuMilli / 1000), right: true, spare: 4 },
      { title: 'MEMORY', cell: ({ shape }) => gigabytes(shape.memoryMiB), right: true, spare: 5 },
      { title: 'PRICE/H', cell: ({ pricePerHour }) => pricePerHour.text, right: true },
      { title: 'FREE', cell: ({ available }) => (available === null ? 'unknown' : String(available)), right: true },
      { title: 'WHERE', cell: ({ jurisdictions }) => jurisdictions.join(','), spare: 3 },
      { title: 'REACH', cell: ({ reach }) => reach, paint: ({ reach }) => paintOf(reach), spare: 2 },
      { title: 'AGE', cell: ({ asOf }) => ago(asOf, now), right: true, spare: 1 },
      { title: 'DISK', cell: ({ shape }) => gigabytes(shape.diskMiB), right: true, wide: true },
      { title: 'TERMS', cell: termsOf, wide: true },
      { title: 'POOLS', cell: ({ pools }) => pools.map(poolCell).join('; '), wide: true },
      { title: 'SOURCE', cell: ({ source }) => source, wide: true },
    ],
    name: ({ site, tier, shape }) => `${site}/${tier}/${shape.name}`,
    empty: 'There are no offers. next: isobar sites',
  })
}

const day = (at: number): string => new Date(at).toISOString().slice(0, 10)

/** What an offer binds to beside its price, in a few words. */
function termsOf({ bounds, terms: { commitment, from, until, takenPpm } }: OfferView): string {
  return [
    ...(commitment?.nodes === undefined ? [] : [`${commitment.nodes} paid for`]),
    ...(commitment?.nodeMs === undefined ? [] : [`${formatDuration(commitment.nodeMs)} paid for`]),
    ...(from === undefined ? [] : [`from ${day(from)}`]),
    ...(until === undefined ? [] : [`until ${day(until)}`]),
    ...bounds.map(({ of, most }) => `at most ${atMost(of, most)}`),
    ...(takenPpm === undefined ? [] : [`${takenPpm / 10_000}%/h taken`]),
  ].join(', ')
}

/** `gb200: 18 of 36, at most 72 (Quota Over: …)`. */
const poolCell = ({ name, current, target, most, hindered }: OfferView['pools'][number]): string =>
  `${name}: ${current} of ${target}${most === undefined ? '' : `, at most ${most}`}${hindered === undefined ? '' : ` (${hindered})`}`
function atMost(of: OfferView['bounds'][number]['of'], most: number): string {
  if (of === 'memoryMiB') return gigabytes(most)
  return of === 'cpuMilli' ? count(most / 1000, 'CPU') : count(most, of.slice(0, -1))
}

/** Only where there are any: nodes that look free and are nobody else's. */
const keptColumn: Column<SiteView> = { title: 'KEPT', cell: ({ kept }) => String(kept), right: true }

/** `isobar sites` */
export async function sites(call: Call): Promise<void> {
  const api = await call.api()
  const list = await api.get<SiteList>('/v1/sites')
  const now = Date.now()
  await showList(call, {
    data: list,
    items: list.items,
    columns: [
      { title: 'SITE', cell: ({ site }) => site },
      { title: 'REACH', cell: ({ reach }) => reach, paint: ({ reach }) => paintOf(reach) },
      { title: 'SINCE', cell: ({ since }) => ago(since, now), right: true, spare: 2 },
      { title: 'WHERE', cell: ({ jurisdictions }) => jurisdictions.join(','), spare: 4 },
      { title: 'NODES', cell: ({ nodes }) => String(nodes ?? ''), right: true },
      { title: 'OFFERS', cell: (one) => String(one.offers), right: true, spare: 3 },
      { title: 'LEASES', cell: ({ leases }) => String(leases), right: true },
      ...(list.items.some(({ kept }) => kept > 0) ? [keptColumn] : []),
      { title: 'PATIENCE', cell: ({ patienceMs }) => roundDuration(patienceMs), right: true, spare: 1 },
      { title: 'DETAIL', cell: ({ detail }) => detail, text: true },
    ],
    name: ({ site }) => site,
    empty: `There are ${count(0, 'site')}. next: isobar doctor`,
  })
}
