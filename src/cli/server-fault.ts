import { CliFault, exitCodes } from './fault.ts'

const codes = { conflict: exitCodes.conflict, usage: exitCodes.usage, failed: exitCodes.failed } as const

const isCode = (code: unknown): code is keyof typeof codes => typeof code === 'string' && code in codes

/** What a problem of the server or the store means here: its first line tells what, its last line the fix. */
export function faultOfServer(error: unknown): unknown {
  if (!(error instanceof Error) || !error.name.endsWith('Problem')) return error
  const lines = error.message.split('\n').filter(Boolean)
  const [what = error.message] = lines
  const fix = lines.length > 1 ? lines.at(-1) : undefined
  const code = 'code' in error && isCode(error.code) ? codes[error.code] : exitCodes.failed
  return new CliFault(what, { code, why: lines.slice(1, -1).join('\n'), ...(fix ? { next: [fix] } : {}) })
}
