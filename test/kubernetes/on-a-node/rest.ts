import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Here } from './here.ts'

type Started = { id: string; folders: string[] }

/** What there is of a node on this machine. */
const restOf = ({ id, folders }: Started): string[] => [
  ...[`/sys/class/net/${id}`, ...folders].filter((path) => existsSync(path)),
  ...globSync([`/sys/fs/cgroup/${id}`, `/sys/fs/cgroup/*/${id}`]),
  ...globSync('/proc/[0-9]*/cmdline').filter((file) => folders.some((folder) => textOf(file).includes(folder))),
  ...textOf('/proc/self/mounts')
    .split('\n')
    .filter((line) => folders.some((folder) => line.includes(folder))),
]

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // a process that has ended meanwhile
  }
}

export function describeRest(here: () => Here): void {
  test('of a node whose test is killed nothing is left: no process, mount, interface, cgroup or file', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'starts-a-node.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout, 'data')
    const started = JSON.parse(String(line)) as Started
    assert.ok(restOf(started).length > 10)
    child.kill('SIGKILL')
    await here().plane.waitFor('nothing is left', async () => assert.deepEqual(restOf(started), []))
  })
}
