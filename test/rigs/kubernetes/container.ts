import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'

import { folders } from '#providers/kubernetes/names.ts'
import type { ControlPlane } from './control-plane.ts'

type Pod = { metadata: { name: string; namespace: string; annotations: Record<string, string> }; spec: Spec }
type Spec = {
  containers: { command: string[]; env?: { name: string; value: string }[] }[]
  volumes: { secret?: { secretName: string } }[]
}

/**
 * Does for a pod, whose node KWOK plays, what a kubelet would: starts what its container says, with the files of its
 * Secret, as a process of this machine. `said` has what it wrote.
 */
export async function runContainer(t: TestContext, plane: ControlPlane, pod: { namespace: string; name: string }) {
  const pods = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`
  const { metadata, spec } = (await plane.ask('GET', pods)) as Pod
  const root = mkdtempSync(join(tmpdir(), 'isobar-container-'))
  const here = (text: string) => text.replaceAll(/\/isobar(?=[/\s'"])/g, root)
  const [container] = spec.containers
  const secret = spec.volumes.find((one) => one.secret)?.secret?.secretName
  assert.ok(container && secret)
  const { data } = (await plane.ask('GET', `/api/v1/namespaces/${pod.namespace}/secrets/${secret}`)) as {
    data: Record<string, string>
  }
  mkdirSync(join(root, 'work'))
  for (const [name, base64] of Object.entries(data)) {
    const file = here(`${folders.program}/${name}`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, here(Buffer.from(base64, 'base64').toString()))
  }
  const [program = '', ...argv] = container.command.map((word) => here(word))
  const index = metadata.annotations['batch.kubernetes.io/job-completion-index'] ?? ''
  const child = spawn(program, argv, {
    env: {
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      JOB_COMPLETION_INDEX: index,
      ...Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (said += String(part)))
  const over = once(child, 'close')
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL')
    await over
    rmSync(root, { recursive: true, force: true })
  })
  return { over, said: () => said, child }
}
