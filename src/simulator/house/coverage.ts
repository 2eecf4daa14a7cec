/** What a fault met: which operation, of the store or of a provider, in which state of what it was about. */
export type Meeting = { fault: string; operation: string; state: string }

/** How often each fault met each operation in each state. */
export type Coverage = {
  met(meeting: Meeting): void
  /** An operation was carried out, by a fault or not: so that it shows which were never met by any. */
  ran(operation: string): void
  add(other: CoverageCounts): void
  counts(): CoverageCounts
}

/** By `fault operation state`, and how often each operation ran. */
export type CoverageCounts = { met: Record<string, number>; ran: Record<string, number> }

export function createCoverage(): Coverage {
  const met = new Map<string, number>()
  const ran = new Map<string, number>()
  return {
    met: ({ fault, operation, state }) => count(met, `${fault} ${operation} ${state}`),
    ran: (operation) => count(ran, operation),
    add(other) {
      for (const [key, more] of Object.entries(other.met)) count(met, key, more)
      for (const [key, more] of Object.entries(other.ran)) count(ran, key, more)
    },
    counts: () => ({ met: Object.fromEntries(met), ran: Object.fromEntries(ran) }),
  }
}

function count(all: Map<string, number>, key: string, more = 1): void {
  all.set(key, (all.get(key) ?? 0) + more)
}

/**
 * A table for people: a line for each operation that ran, a column for each fault, and in each cell how often they met
 * and in how many states. `·` is a hole: what never met.
 */
export function coverageText({ met, ran }: CoverageCounts): string {
  const all = Object.entries(met).map(([key, times]) => {
    const [fault = '', operation = '', state = ''] = key.split(' ')
    return { fault, operation, state, times }
  })
  const faults = [...new Set(all.map(({ fault }) => fault))].sort()
  const operations = [...new Set([...Object.keys(ran), ...all.map(({ operation }) => operation)])].sort()
  const cell = (operation: string, fault: string): string => {
    const some = all.filter((one) => one.operation === operation && one.fault === fault)
    const times = some.reduce((sum, one) => sum + one.times, 0)
    return times === 0 ? '·' : some.length === 1 ? `${times}` : `${times}/${some.length}`
  }
  const rows = operations.map((operation) => [
    operation,
    String(ran[operation] ?? 0),
    ...faults.map((fault) => cell(operation, fault)),
  ])
  return columns([['operation', 'ran', ...faults], ...rows])
}

/** Each state that a fault met an operation in, with how often. */
export const statesText = ({ met }: CoverageCounts): string =>
  columns(
    Object.entries(met)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, times]) => [...key.split(' '), String(times)]),
  )

function columns(rows: string[][]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((text, i) => (widths[i] = Math.max(widths[i] ?? 0, text.length)))
  return rows
    .map((row) =>
      row
        .map((text, i) => text.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
