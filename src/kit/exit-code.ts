import { constants } from 'node:os'

const numbers: Record<string, number | undefined> = constants.signals

/** Where Linux has its real-time signals, which have no names of their own. */
const realTime = { SIGRTMIN: 34, SIGRTMAX: 64 }

/** What a shell reports of a process: its exit code, or 128 + the number of the signal that ended it. */
export const shellCode = (exit: { code: number | null; signal: string | null }): number =>
  exit.code ?? (exit.signal === null ? unknown : codeOfSignal(exit.signal))

/** Of an end that nobody knows: it was no success. */
const unknown = 255

function codeOfSignal(name: string): number {
  const [, from, offset = '0'] = /^(SIGRTMIN|SIGRTMAX|SIG)([+-]?\d+)?$/.exec(name) ?? []
  const base = from === 'SIGRTMIN' || from === 'SIGRTMAX' ? realTime[from] : 0
  const number = numbers[name] ?? (from === undefined ? 0 : base + Number(offset))
  return number > 0 && number <= realTime.SIGRTMAX ? 128 + number : unknown
}
