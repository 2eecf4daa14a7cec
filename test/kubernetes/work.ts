import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { addNodes } from '#rigs/kubernetes/cluster.ts'
import { runContainer } from '#rigs/kubernetes/container.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { aHouse, type Pod, until } from '#rigs/kubernetes/house.ts'
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

test('a replica on several nodes serves once all of them are ready, at its first rank, and stops whole', async (t) => {
  const house = await aHouse(t, plane)
  const pair = service.replace('replicas: 2', 'nodes: 2').replace('1GB }', '1GB, accelerators: H100:8 }')
  const look = await house.submit(pair)
  const endpoints = async (): Promise<string[]> =>
    (await ask(house.server, 'GET /v1/endpoints')).json.items[0]?.endpoints ?? []
  await until('it serves', async () => (await endpoints()).length === 1)
  const pods = (await house.pods()).toSorted((a, b) => rankOf(a) - rankOf(b))
  assert.deepEqual(pods.map(rankOf), [0, 1])
  assert.equal(new Set(pods.map(({ spec }) => spec.nodeName)).size, 2)
  assert.deepEqual(await endpoints(), [`${pods[0]?.status.podIP}:8080`])

  const last = `/api/v1/namespaces/${house.namespace}/pods/${pods[1]?.metadata.name}/status`
  const ready = (status: string) => plane.ask('PATCH', last, { status: { conditions: [{ type: 'Ready', status }] } })
  await ready('False')
  await until('without one of them it does not serve', async () => (await endpoints()).length === 0)
  await ready('True')
  await until('it serves again', async () => (await endpoints()).length === 1)
  assert.equal((await look()).attemptList.length, 1)
  await ask(house.server, `POST /v1/workloads/${(await look()).id}/stop`)
  await until('it has stopped', async () => (await look()).state === 'stopped')
  assert.deepEqual(await endpoints(), [])
  await until('nothing is left', async () => (await house.left()).length === 0)
})

const rankOf = ({ metadata }: Pod): number => Number(metadata.annotations['batch.kubernetes.io/job-completion-index'])

test('a secret reaches the rank in its pod, and stands in nothing but a Secret that goes with its Job', async (t) => {
  const house = await aHouse(t, plane)
  const value = `it's <${randomBytes(12).toString('hex')}> $HOME`
  assert.ok((await house.put('/v1/secrets/HF_TOKEN', value)).ok)
  const look = await house.submit(`kind: job
name: with-secret
resources: { cpus: 1, memory: 1GB }
checkpoint: { grace: 1s }
secrets: [HF_TOKEN]
run: printf %s "$HF_TOKEN" | sha256sum
`)
  await until('it runs', async () => (await look()).state === 'running')
  const all = async (group: string, kind: string) =>
    ((await plane.ask('GET', `${group}/namespaces/${house.namespace}/${kind}`)) as { items: Owned[] }).items
  const [job] = await all('/apis/batch/v1', 'jobs')
  const secrets = await all('/api/v1', 'secrets')
  assert.deepEqual(
    secrets.map(({ metadata }) => metadata.ownerReferences?.map(({ kind, uid }) => [kind, uid])),
    [[['Job', job?.metadata.uid]]],
  )
  const random = value.slice(6, 30)
  const others = [job, await all('/api/v1', 'pods'), await all('/api/v1', 'services'), await all('/api/v1', 'events')]
  assert.doesNotMatch(JSON.stringify(others), new RegExp(random))
  const files = Object.values(secrets[0]?.data ?? {}).map((file) => Buffer.from(file, 'base64').toString())
  assert.equal(files.filter((file) => file.includes(random)).length, 1)

  const [pod] = await house.pods()
  const container = await runContainer(t, plane, { namespace: house.namespace, name: pod?.metadata.name ?? '' })
  assert.deepEqual(await container.over, [0, null])
  assert.match(container.said(), new RegExp(createHash('sha256').update(value).digest('hex')))
  await house.end('0')
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  await until('nothing is left', async () => (await house.left()).length === 0)
})

type Owned = {
  metadata: { uid: string; ownerReferences?: { kind: string; uid: string }[] }
  data?: Record<string, string>
}

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
