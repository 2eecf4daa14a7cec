import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { runContainer } from '#rigs/kubernetes/container.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, until } from '#rigs/kubernetes/house.ts'
import { ask } from '#rigs/server.ts'

// Work that is more than a gang of equal ranks, through a whole house on a real control plane.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error)
  const has = { 'nvidia.com/gpu': '8' }
  const labels = { 'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3' }
  await addNodes(
    plane,
    [0, 1, 2, 3].map((at) => ({ name: `n${at}`, has, labels })),
  )
})
after(() => plane.stop())

const rollouts = `kind: job
name: rollouts
checkpoint: { grace: 1s }
run: work
roles:
  - { name: head, resources: { cpus: 1, memory: 1GB }, run: lead }
  - { name: worker, nodes: 2, resources: { cpus: 2, memory: 2GB, accelerators: H100:4 } }
`

test('roles that need different things run as one gang, and the exit of each rank is its own', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(rollouts)
  await until('it runs', async () => (await look()).state === 'running')
  const asked = (await house.pods()).map(({ metadata, spec }) => [
    metadata.labels['isobar.dev/first-rank'],
    spec.containers[0]?.resources.requests['nvidia.com/gpu'] ?? '0',
  ])
  assert.deepEqual(asked.sort(), [
    ['0', '0'],
    ['1', '4'],
    ['1', '4'],
  ])
  await house.end('0,0,7')
  await until('it has failed', async () => (await look()).state === 'failed')
  const { exitCode, reason } = await look()
  assert.deepEqual([exitCode, /rank 2 exited with 7/.test(reason)], [7, true], reason)
  await until('nothing is left', async () => (await house.left()).length === 0)
})

const service = `kind: service
name: greeter
replicas: 2
ports: [8080]
readiness: { path: /healthz, period: 1s }
resources: { cpus: 1, memory: 1GB }
checkpoint: { grace: 1s }
run: serve
`

test('a service is reached where its pods are ready, loses one and has another, and is left when it ends', async (t) => {
  const house = await aHouse(t, plane)
  const look = await house.submit(service)
  const endpoints = async (): Promise<string[]> =>
    (await ask(house.server, 'GET /v1/endpoints')).json.items[0]?.endpoints ?? []
  await until('both are ready', async () => (await endpoints()).length === 2)
  const addresses = (await house.pods()).map(({ status }) => `${status.podIP}:8080`)
  assert.deepEqual((await endpoints()).sort(), addresses.sort())

  const [pod] = await house.pods()
  const path = `/api/v1/namespaces/${house.namespace}/pods/${pod?.metadata.name}`
  const ready = (status: string) =>
    plane.ask('PATCH', `${path}/status`, { status: { conditions: [{ type: 'Ready', status }] } })
  await ready('False')
  await until('one is not', async () => !(await endpoints()).includes(`${pod?.status.podIP}:8080`))
  assert.equal((await look()).attemptList.length, 2, 'it is not started again for that')
  await ready('True')
  await until('both are again', async () => (await endpoints()).length === 2)

  await plane.ask('DELETE', path)
  await until('another has taken its place', async () => {
    const now = await endpoints()
    return now.length === 2 && (await look()).attemptList.length === 3
  })
  await ask(house.server, `POST /v1/workloads/${(await look()).id}/stop`)
  await until('it has stopped', async () => (await look()).state === 'stopped')
  assert.deepEqual(await endpoints(), [])
  await until('nothing is left', async () => (await house.left()).length === 0)
})

test('the tasks of an array are leased in bulk by agents in pods, and each is done', async (t) => {
  const house = await aHouse(t, plane)
  const results = mkdtempSync(join(tmpdir(), 'isobar-results-'))
  t.after(() => rmSync(results, { recursive: true, force: true }))
  const look = await house.submit(`kind: array
name: squares
tasks: 40
parallelism: 12
resources: { cpus: 0.1, memory: 16MB }
checkpoint: { grace: 1s }
env: { OUT: ${results} }
run: echo $((ISOBAR_TASK_INDEX * ISOBAR_TASK_INDEX)) >"$OUT/$ISOBAR_TASK_INDEX"; echo did $ISOBAR_TASK_INDEX
`)
  await until('both workers have a pod', async () => {
    const pods = await house.pods()
    return pods.length === 2 && pods.every(({ status }) => status.phase === 'Running')
  })
  assert.equal((await look()).state, 'starting', 'a pod is no agent')
  const pods = await house.pods()
  const workers = await Promise.all(
    pods.map(({ metadata }) => runContainer(t, plane, { namespace: house.namespace, name: metadata.name })),
  )
  await until('all is done', async () => (await look()).state === 'succeeded')
  assert.deepEqual(
    readdirSync(results)
      .map(Number)
      .sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, index) => index),
  )
  assert.equal(readFileSync(join(results, '39'), 'utf8'), '1521\n')
  for (const { over } of workers) assert.deepEqual(await over, [0, null])
  assert.equal(
    workers.flatMap(({ said }) => said().match(/^did \d+$/gm) ?? []).length,
    40,
    'its log is that of the pod',
  )
  await until('nothing is left', async () => (await house.left()).length === 0)
})
