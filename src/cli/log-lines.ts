import { StringDecoder } from 'node:string_decoder'

import type { LinesOf } from './log-follower.ts'

/** A line of a log as data. What a rank wrote is its texts, with a line break behind each that is not partial. */
export type LogLine = {
  rank: number
  attempt: number
  /** Without its line break. */
  text: string
  /** No line break stood behind it: the attempt ended there, or the line is so long that it comes in pieces. */
  partial?: true
}

/** A line longer than this comes in pieces. */
const mostOfLine = 64 * 1024

/** Hands over what ranks wrote line by line. */
export const asLines =
  (say: (line: LogLine) => Promise<void>): LinesOf =>
  (rank) => {
    let decoder = new StringDecoder('utf8')
    let rest = ''
    let current = 0
    const sayRest = async () => {
      if (rest !== '') await say({ rank, attempt: current, text: rest, partial: true })
      rest = ''
    }
    return {
      async sink(bytes, attempt) {
        current = attempt
        const whole = (rest + decoder.write(Buffer.from(bytes))).split('\n')
        rest = whole.pop() ?? ''
        for (const text of whole) await say({ rank, attempt, text })
        if (rest.length > mostOfLine) await sayRest()
      },
      async end() {
        rest += decoder.end()
        decoder = new StringDecoder('utf8')
        await sayRest()
      },
    }
  }
