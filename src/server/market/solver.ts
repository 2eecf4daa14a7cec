import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

import type { LinearProgram } from '#engine/market/linear.ts'

import type { Question, Reply } from './linear.ts'

export type Solver = {
  /** Never rejects and never takes much longer than `seconds`. Questions are answered one after the other. */
  solve(program: LinearProgram, seconds: number): Promise<Reply>
  /** In whole numbers. */
  solveWhole(program: LinearProgram, seconds: number): Promise<Reply>
  close(): Promise<void>
}

/** Beyond its own limit the solver has this long to notice it, then its thread is ended and the next one is new. */
const graceSeconds = 2

/** A thread that solves linear programs. It is started with the first one, and does not keep the process alive. */
export function createSolver(): Solver {
  let worker: Worker | undefined
  const closing = new AbortController()
  let last: Promise<unknown> = Promise.resolve()

  async function end(): Promise<void> {
    const ending = worker
    worker = undefined
    await ending?.terminate()
  }

  async function ask(question: Question): Promise<Reply> {
    const late = AbortSignal.timeout(Math.ceil((question.seconds + graceSeconds) * 1000))
    const signal = AbortSignal.any([late, closing.signal])
    if (closing.signal.aborted) return { problem: 'the solver is closed' }
    try {
      worker ??= new Worker(new URL('worker.ts', import.meta.url))
      worker.ref()
      const replied = once(worker, 'message', { signal })
      worker.postMessage(question, [])
      const [reply] = await replied
      worker.unref()
      return reply
    } catch (error) {
      await end()
      return { problem: late.aborted ? `no answer within ${question.seconds} s` : String(error) }
    }
  }

  async function inTurn(question: Question): Promise<Reply> {
    const answer = last.then(() => ask(question))
    last = answer
    return answer
  }

  return {
    solve: (program, seconds) => inTurn({ program, seconds, whole: false }),
    solveWhole: (program, seconds) => inTurn({ program, seconds, whole: true }),
    async close() {
      closing.abort(new Error('the solver is closed'))
      await end()
    },
  }
}
