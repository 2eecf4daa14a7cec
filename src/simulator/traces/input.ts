import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

import { createSource, renderProblems, type SpecProblem } from '#model/spec/problem.ts'

/** A file that a simulation cannot read. Its message tells the place, the cause and the fix, for people. */
export class InputFault extends Error {
  readonly problems: readonly SpecProblem[]

  constructor(problems: readonly SpecProblem[], options?: ErrorOptions) {
    super(renderProblems(problems).replaceAll('\n\nfix: ', '\nfix: ').trimEnd(), options)
    this.name = 'InputFault'
    this.problems = problems
  }
}

/** The text of a file that a simulation reads, and how to point into it. */
export type Input = {
  file: string
  text: string
  /** The fault at an offset of the text. */
  wrong(offset: number, message: string, fix: string): InputFault
}

/** A string of V8 holds no more, and no trace needs it. */
const mostBytes = 512 * 1024 * 1024

export const inputOf = (file: string, text: string): Input => ({
  file,
  text,
  wrong: (offset, message, fix) => new InputFault([createSource(file, text).problem(offset, { message, fix })]),
})

/** Reads a file, `.gz` too. Lines and columns of its faults are those of the text inside. */
export function readInput(file: string): Input {
  // There is no line to point into.
  const refuse = (message: string, fix: string, cause?: unknown) =>
    new InputFault([{ ...createSource(file, '').problem(0, { message, fix }), caret: '' }], { cause })
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split(',')[0] : String(cause)
    throw refuse(`cannot be read: ${reason}`, 'correct the path, or the rights of the file', cause)
  }
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b
  try {
    if (packed) bytes = gunzipSync(bytes, { maxOutputLength: mostBytes })
  } catch (cause) {
    throw refuse(
      'is not a whole gzip file, or holds too much',
      `check it with gzip -t, up to ${mostBytes} bytes`,
      cause,
    )
  }
  if (bytes.length > mostBytes) throw refuse(`holds more than ${mostBytes} bytes`, 'split it into several traces')
  return inputOf(file, bytes.toString('utf8').replace(/^\uFEFF/, ''))
}
