import type { ProblemView } from '#api/views.ts'

/** What the exit code of a command means. Scripts rely on these; `isobar help exit-codes` tells them. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  conflict: 5,
  noCapacity: 6,
  overLimit: 7,
  stillRunning: 8,
  changesPending: 10,
  interrupted: 130,
} as const

const codesOfProblems: Partial<Record<ProblemView['code'], number>> = {
  usage: exitCodes.usage,
  'invalid-spec': exitCodes.usage,
  'too-large': exitCodes.usage,
  'not-found': exitCodes.notFound,
  unauthenticated: exitCodes.denied,
  forbidden: exitCodes.denied,
  conflict: exitCodes.conflict,
  changed: exitCodes.conflict,
  'plan-changed': exitCodes.conflict,
  'plan-expired': exitCodes.conflict,
  'no-capacity': exitCodes.noCapacity,
  'over-budget': exitCodes.overLimit,
  policy: exitCodes.overLimit,
  'still-running': exitCodes.stillRunning,
}

/** An end of a command that a person should be told about: what happened, why, and what to do next. */
export class CliFault extends Error {
  readonly code: number
  /** More lines, between what happened and what to do next. */
  readonly why: string
  /** Commands that help, the best first. */
  readonly next: readonly string[]
  /** The problem that the server told, if it did. */
  readonly problem: ProblemView | undefined

  constructor(
    what: string,
    more: { code?: number; why?: string; next?: readonly string[]; problem?: ProblemView } = {},
  ) {
    super(what)
    this.name = 'CliFault'
    this.code = more.code ?? exitCodes.failed
    this.why = more.why ?? ''
    this.next = more.next ?? []
    this.problem = more.problem
  }
}

/** The server did not answer, or broke off: worth another try by who follows something. */
export class Unreachable extends CliFault {}

/** The fault that stands for a problem of the server. */
export function faultOf(problem: ProblemView): CliFault {
  const more = { code: codesOfProblems[problem.code] ?? exitCodes.failed, next: problem.next, problem }
  if (problem.code === 'invalid-spec') return new CliFault(problem.title, { ...more, why: problem.detail })
  const trace = problem.code === 'internal' && problem.requestId ? `Request ${problem.requestId}` : ''
  return new CliFault(problem.detail || problem.title, {
    ...more,
    why: [...(problem.difference ?? []), trace].filter(Boolean).join('\n'),
  })
}

/** The text of a fault: `error: what`, why, and the fix on the last line. */
export function renderFault(fault: CliFault): string {
  const [best, ...others] = fault.next
  return [
    `error: ${fault.message}`,
    ...(fault.why ? [fault.why.trimEnd()] : []),
    ...others.map((other) => `  or: ${other}`),
    ...(best ? [`next: ${best}`] : []),
    '',
  ].join('\n')
}
