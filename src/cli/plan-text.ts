import type { PlanDocumentView, PlanView } from '#api/views.ts'

import type { Call } from './call.ts'
import { colours, plain } from './io.ts'
import { renderTable, type Column } from './output/table.ts'
import { count } from './output/words.ts'

const columns: Column<PlanDocumentView>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'KIND', cell: ({ kind }) => kind, spare: 1 },
  { title: 'NODES', cell: nodes, right: true },
  { title: 'SITE', cell: ({ placement }) => placement?.site ?? '' },
  { title: 'TIER', cell: ({ placement }) => placement?.tier ?? '', spare: 3 },
  { title: 'SHAPE', cell: ({ placement }) => placement?.shape ?? '', text: true, spare: 2 },
  { title: 'PRICE/H', cell: ({ placement, pricePerHour }) => (placement ? pricePerHour.text : ''), right: true },
  {
    title: 'EXPECTED',
    cell: ({ placement, expectedCost }) => (placement && expectedCost?.text) ?? '',
    right: true,
    spare: 4,
  },
  { title: 'WHY', cell: why, text: 12 },
]

function nodes({ replicas, nodes: each }: PlanDocumentView): string {
  return replicas === 1 ? String(each) : `${replicas}×${each}`
}

function why({ placement, placed, replicas, alternatives, rejections }: PlanDocumentView): string {
  if (!placement) return 'no place now'
  const others = [
    ...(alternatives.length > 0 ? [`better than ${count(alternatives.length, 'other')}`] : []),
    ...(rejections.length > 0 ? [`${rejections.length} refused`] : []),
  ]
  const all = placed < replicas ? [`${placed} of ${replicas} now`] : []
  return [...all, ...(others.length > 0 ? others : ['the only offer'])].join(', ')
}

/** A plan for people: what goes where, at what price and why, and what could not be asked. */
export function planText(
  call: Pick<Call, 'text' | 'io' | 'format'>,
  plan: PlanView,
  stream: 'stdout' | 'stderr',
): string {
  const wide = call.format.kind === 'wide'
  const table = renderTable(plan.documents, columns, { width: call.io.width, wide, colour: colours(call.io, stream) })
  const expected = plan.expectedCost ? `, ${plan.expectedCost.text} expected in all` : ''
  const skipped = plan.skipped.map(({ site, why: because }) => `not asked: ${site}, ${plain(because)}\n`)
  // Whole and below, since the column would cut it on a narrow terminal.
  const refusals = plan.documents.flatMap(({ name, refusal }) =>
    refusal ? refusal.lines.map((line) => `  ${name}: ${plain(line)}\n`) : [],
  )
  const refused = [...refusals, ...(wide ? plan.documents.flatMap(rejectionLines) : [])]
  const rules = plan.documents.flatMap(({ name, ruleCosts }) =>
    ruleCosts.map(({ text }) => `  ${name}: ${plain(text)}\n`),
  )
  const deadlines = plan.documents.flatMap(({ name, placement, deadline }) =>
    placement && deadline ? [`  ${name}: ${plain(deadline.text)}\n`] : [],
  )
  const placed = plan.documents.some(({ placement }) => placement)
  const unbound = call.text('max-cost') === undefined && plan.documents.some((one) => one.placed < one.replicas)
  return [
    table,
    ...refused,
    ...rules,
    ...deadlines,
    ...(placed ? [`in all ${plan.pricePerHour.text}/h${expected}\n`] : []),
    ...(unbound ? ['what waits has no price yet: --max-cost bounds what it may take later\n'] : []),
    ...skipped,
  ].join('')
}

const rejectionLines = ({ name, rejections }: PlanDocumentView): string[] =>
  rejections.map((one) => `${name}: not ${one.site} ${one.tier} ${one.shape}: ${one.rule}: ${plain(one.detail)}\n`)
