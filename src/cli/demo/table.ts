import { workloadPath, type Api } from '#cli/client.ts'
import { colours, type Io } from '#cli/io.ts'
import { renderTable } from '#cli/output/table.ts'
import type { CostView, WhyView, WorkloadDetail } from '#api/views.ts'
import { detailOf } from './look.ts'

/** What came of one workload of a demo. */
export type Row = { detail: WorkloadDetail; lost: number; why: string[] }

type Shown = {
  names: readonly string[]
  /** What a row says of the work that was lost. */
  lostWork: (row: Row) => string
}

/** What each workload came to, and below that why each of its attempts went where it went. */
export async function table(io: Io, api: Api, { names, lostWork }: Shown): Promise<string> {
  const rows = await Promise.all(names.map((name) => rowOf(api, name)))
  const cost = await api.get<CostView>('/v1/cost', { by: 'workload' })
  const body = renderTable(
    rows,
    [
      { title: 'WORKLOAD', cell: ({ detail }) => detail.name },
      { title: 'ENDED', cell: ({ detail }) => detail.state },
      { title: 'ATTEMPTS', cell: ({ detail }) => String(detail.attempts), right: true },
      { title: 'LOST ATTEMPTS', cell: ({ lost }) => String(lost), right: true },
      { title: 'LOST WORK', cell: lostWork },
      { title: 'COST', cell: ({ detail }) => detail.spent.text, right: true },
    ],
    { width: io.width, wide: false, colour: colours(io, 'stdout') },
  )
  const reasons = rows.map(({ detail, why }) => [`Why ${detail.name}:`, ...why.map((line) => `  ${line}`)].join('\n'))
  return `${body.trimEnd()}\nIn all: ${cost.total.text}\n\n${reasons.join('\n')}`
}

async function rowOf(api: Api, name: string): Promise<Row> {
  const [detail, why] = await Promise.all([detailOf(api, name), api.get<WhyView>(workloadPath(name, '/why'))])
  const attempts = why.text.split('\n').filter((line) => line.startsWith('Attempt'))
  const lost = detail.attemptList.filter(({ state }) => state === 'lost').length
  return { detail, lost, why: attempts.toReversed() }
}

/** Whether the bill of each workload has come up with what its attempts have cost. */
export async function billed(api: Api, names: readonly string[]): Promise<boolean> {
  const details = await Promise.all(names.map((name) => detailOf(api, name)))
  return details.every(({ spent, attemptList }) => {
    const over = attemptList.every(({ lease }) => lease === null || ['gone', 'refused'].includes(lease.state))
    return over && BigInt(spent.micros) === attemptList.reduce((sum, attempt) => sum + BigInt(attempt.spent.micros), 0n)
  })
}
