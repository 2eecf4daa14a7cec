import { CliFault, exitCodes, renderFault } from './fault.ts'
import type { Format } from './output/format.ts'

/** A fault as programs read it. */
type FaultData = {
  /** `action_required`: nothing is broken, but somebody has to allow something first. */
  status: 'error' | 'action_required'
  /** The code of a problem of the API, or what the exit code stands for. */
  reason: string
  message: string
  detail: string
  exitCode: number
  userActionRequired: boolean
  /** Whether the same may work a little later. */
  retryable: boolean
  requestId: string
  /** Commands that help, the best first. */
  next: { command: string; when: string }[]
  /** Places in a spec, with line, column and fix. */
  problems?: unknown
}

const reasons: Record<number, string> = {
  [exitCodes.failed]: 'failed',
  [exitCodes.usage]: 'usage',
  [exitCodes.notFound]: 'not-found',
  [exitCodes.denied]: 'denied',
  [exitCodes.conflict]: 'conflict',
  [exitCodes.noCapacity]: 'no-capacity',
  [exitCodes.overLimit]: 'over-limit',
  [exitCodes.stillRunning]: 'still-running',
  [exitCodes.interrupted]: 'interrupted',
}
const needsSomeone = new Set<number>([exitCodes.denied, exitCodes.overLimit])

/** A fault for whoever reads what a command gives: a line of JSON beside JSON and YAML, else the text for people. */
export const faultFor = (fault: CliFault, format: Format['kind'] | undefined): string =>
  format === 'json' || format === 'ndjson' || format === 'yaml'
    ? `${JSON.stringify(dataOf(fault))}\n`
    : renderFault(fault)

function dataOf({ message, why, code, next, problem }: CliFault): FaultData {
  const userActionRequired = needsSomeone.has(code)
  return {
    status: userActionRequired ? 'action_required' : 'error',
    reason: problem?.code ?? reasons[code] ?? 'failed',
    message,
    detail: why,
    exitCode: code,
    userActionRequired,
    retryable: problem?.retryable ?? code === exitCodes.stillRunning,
    requestId: problem?.requestId ?? '',
    next: next.map(stepOf),
    ...(problem?.problems ? { problems: problem.problems } : {}),
  }
}

/** `isobar doctor (names what to clear)`: a command, and when or why in brackets behind it. */
function stepOf(text: string): FaultData['next'][number] {
  const [, command = text, when = ''] = /^(.*\S) \(([^()]*)\)$/.exec(text) ?? []
  return { command, when }
}

/** The format that a command line asks for, as far as it can be told before it is understood. */
export function formatAskedFor(argv: readonly string[]): Format['kind'] | undefined {
  const end = argv.indexOf('--')
  const words = end < 0 ? argv : argv.slice(0, end)
  const asked = words.flatMap((word, at) => {
    if (word === '-o' || word === '--output') return words[at + 1] ?? []
    const joined = /^(?:-o|--output=)(.+)$/.exec(word)
    return joined?.[1] ?? []
  })
  return (['json', 'ndjson', 'yaml'] as const).find((kind) => kind === asked.at(-1))
}
