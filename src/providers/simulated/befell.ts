import type { CallName, Trouble } from './trouble.ts'

/** One thing that befell: a call, or, without one, a gang in its life (with its token) or a whole site. */
export type Befallen = { at: number; site: string; call: CallName | null; token: string; fault: Trouble }

/** What befell, the last so many of them: a simulation that runs for long does not need all. */
export type Diary = { write(one: Befallen): void; read(): Befallen[] }

const most = 50_000

export function createDiary(): Diary {
  let pages: Befallen[] = []
  return {
    write(one) {
      pages.push(one)
      if (pages.length >= 2 * most) pages = pages.slice(-most)
    },
    read: () => pages.slice(-most),
  }
}
