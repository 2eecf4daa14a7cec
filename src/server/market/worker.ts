/** Solves linear programs, one after the other, beside the thread that decides: HiGHS blocks the one it runs on. */
import { parentPort } from 'node:worker_threads'

import { type Question, type Reply, solve } from './linear.ts'

parentPort?.on('message', (question: Question) => {
  try {
    parentPort?.postMessage(solve(question), [])
  } catch (error) {
    parentPort?.postMessage({ problem: String(error) } satisfies Reply, [])
  }
})
