import { connect } from 'node:net'

import type { Readiness } from '#model/agent-protocol.ts'

/**
 * Checks a port until `signal` aborts and tells of every change. Until it is ready for the first time it looks more
 * often than the period says, so that a copy serves as soon as it can.
 */
export async function watchReadiness(
  check: { address: string; port: number; readiness: Readiness; signal: AbortSignal },
  changed: (ready: boolean) => void,
): Promise<void> {
  const { readiness, signal } = check
  let ready = false
  let failures = 0
  for (let pause = 20; !signal.aborted; pause = Math.min(pause * 2, readiness.periodMs)) {
    const passed = await passes(check)
    if (signal.aborted) return
    failures = passed ? 0 : failures + 1
    if (passed !== ready && (passed || failures >= readiness.failures)) changed((ready = passed))
    await sleep(ready ? readiness.periodMs : pause, signal)
  }
}

function passes(check: { address: string; port: number; readiness: Readiness }): Promise<boolean> {
  const { path, timeoutMs } = check.readiness
  return path === undefined ? accepts(check.address, check.port, timeoutMs) : answers({ ...check, path, timeoutMs })
}

function accepts(host: string, port: number, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout })
    const finish = (accepted: boolean) => () => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', finish(true))
    socket.once('timeout', finish(false))
    socket.once('error', finish(false))
  })
}

function answers(check: { address: string; port: number; path: string; timeoutMs: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const http = process.getBuiltinModule('node:http')
    const { address: host, port, path, timeoutMs } = check
    const asked = http.get({ host, port, path, signal: AbortSignal.timeout(timeoutMs), agent: false }, (response) => {
      resolve(response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300)
      response.destroy()
    })
    asked.once('error', () => resolve(false))
  })
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
