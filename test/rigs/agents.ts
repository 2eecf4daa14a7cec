import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { type Gang, ScriptedControlPlane } from '#agent/scripted-control-plane.ts'
import { readLog } from '#kit/bounded-log.ts'
import { type AgentOrder, leaseTag } from '#model/agent-folder.ts'

const program = fileURLToPath(new URL('../../bin/isobar-agent.js', import.meta.url))

/** A control plane and folders for agents; afterwards no process is left. */
export async function openAgents(context: TestContext) {
  const controlPlane = await ScriptedControlPlane.open()
  const home = mkdtempSync(join(tmpdir(), 'isobar-agent-'))
  const agents: ReturnType<typeof spawn>[] = []
  context.after(async () => {
    for (const agent of agents)
      if (agent.exitCode === null && agent.signalCode === null) {
        agent.kill('SIGTERM')
        await once(agent, 'exit')
      }
    await controlPlane.down().catch(() => undefined) // a test may have ended it
    rmSync(home, { recursive: true, force: true })
  })
  return {
    controlPlane,
    home,
    /** Starts the agent of one rank; its credential is `c` unless told otherwise. */
    start(gang: Partial<Gang>, changes: Partial<AgentOrder> = {}, environment: NodeJS.ProcessEnv = {}) {
      const order: AgentOrder = {
        token: `l-${process.pid}-${Math.random().toString(36).slice(2)}`,
        workload: 'w-1',
        attempt: 1,
        rank: 0,
        credential: 'c',
        controlPlanes: [controlPlane.address],
        address: '127.0.0.1',
        masterPort: 29_500,
        shape: { name: '', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 },
        accelerators: [],
        graceMs: 0,
        ...changes,
      }
      const { credential, rank } = order
      if (!controlPlane.gangs.has(credential)) controlPlane.gangs.set(credential, { ranks: 1, go: () => ({}), ...gang })
      const folder = join(home, `${credential}-${rank}`)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'order.json'), JSON.stringify(order), { mode: 0o600 })
      const agent = spawn(process.execPath, [program, folder], {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, ...environment, [leaseTag]: order.token },
      })
      agents.push(agent)
      const exited = once(agent, 'exit')
      return { agent, folder, exited, log: () => logOf(folder) }
    },
  }
}

export const logOf = async (folder: string): Promise<string> =>
  Buffer.from((await readLog(join(folder, 'output'), { from: 0, most: 1024 * 1024 })).bytes).toString()

export const json = <T>(folder: string, name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T

export async function until<T>(what: string, condition: () => Promise<T> | T): Promise<T> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; await sleep(5)) {
    const value = await condition()
    if (value) return value
  }
  return assert.fail(`waited 20 s in vain: ${what}`)
}

export const exits = (code: number | null, signal: string | null = null) => ({ code, signal, outOfMemory: false })
