import { constants } from 'node:os'

const numbers: Record<string, number | undefined> = constants.signals

/** What a shell reports of a process: its exit code, or 128 + the number of the signal that ended it. */
export const shellCode = (exit: { code: number | null; signal: string | null }): number =>
  exit.code ?? 128 + (numbers[exit.signal ?? ''] ?? 0)
