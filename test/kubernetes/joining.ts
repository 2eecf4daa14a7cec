import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { parseAllDocuments } from 'yaml'

import { callMain } from '#cli/captured.ts'
import { addNamespace, addNodes } from '#rigs/kubernetes/cluster.ts'
import { aHouseToJoin } from '#rigs/kubernetes/joining.ts'
import { type ControlPlane, startControlPlane } from '#rigs/kubernetes/control-plane.ts'
import { clusterBehind, hidden, openConnectProxy } from '#rigs/connect-proxy.ts'
import { openFaultProxy } from '#rigs/fault-proxy.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { aHome, aServer, ask } from '#rigs/server.ts'

// Joining and leaving a real Kubernetes by the commands; what its pods do, KWOK plays.

let plane: ControlPlane

before(async () => {
  plane = await startControlPlane(console.error, { strict: true })
  await addNodes(
    plane,
    [0, 1, 2, 3].map((at) => ({
      name: `n${at}`,
      has: { 'nvidia.com/gpu': '8' },
      labels: {
        'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
        'nvidia.com/gpu.clique': `c${Math.floor(at / 2)}`,
        'topology.k8s.aws/network-node-layer-4': 'leaf-1',
        'topology.kubernetes.io/region': 'eu-central-1',
      },
    })),
  )
})
after(() => plane.stop())

const aHouse = (t: TestContext) => aHouseToJoin(t, plane)

const gang = `kind: job
name: gang
nodes: 2
image: rig
resources: { cpus: 2, memory: 1GB, accelerators: H100:8 }
checkpoint: { grace: 1s }
run: train
`

test('what is missing is printed for kubectl; applied, the site is joined, works without a restart, and stays', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const kubeconfig = await house.account()
  const refused = await house.add('--kubeconfig', kubeconfig, '--price', '$20/h')
  assert.equal(refused.code, 4, refused.stderr)
  assert.match(refused.stderr, /may not get, list, watch, create, patch, delete jobs/)
  const documents = parseAllDocuments(refused.stdout).map((one): unknown => one.toJS()) as Manifest[]
  assert.deepEqual(
    documents.map(({ kind }) => kind),
    ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'],
  )
  for (const one of documents) await plane.ask('POST', pathOf(one), one)

  const trial = await house.add('--kubeconfig', kubeconfig, '--dry-run', '-o', 'json')
  assert.equal(trial.code, 0, trial.stderr)
  const found = JSON.parse(trial.stdout)
  assert.equal(found.manifest, null)
  assert.deepEqual(found.declaration.jurisdictions, ['DE', 'EU'])
  assert.deepEqual(
    found.nodes.map(({ nodes, usable, accelerators }: Record<string, unknown>) => ({ nodes, usable, accelerators })),
    [{ nodes: 4, usable: 4, accelerators: 'H100:8' }],
  )
  assert.deepEqual(found.topology, [
    { level: 0, labels: ['nvidia.com/gpu.clique'], domains: 2, nodes: 4 },
    { level: 1, labels: ['topology.k8s.aws/network-node-layer-4'], domains: 1, nodes: 4 },
  ])
  assert.ok(found.extensions.some((one: { name: string }) => one.name === 'Kueue'))
  const unpriced = await house.add('--kubeconfig', kubeconfig)
  assert.equal(unpriced.code, 2)
  assert.match(unpriced.stderr, /--price: What does a node .* cost an hour\?/)
  assert.match(unpriced.stderr, /next: isobar site add kubernetes … --price \$20\/h\n$/)
  assert.doesNotMatch((await house.isobar('sites')).stdout, /kubernetes/)

  const joined = await house.add('--kubeconfig', kubeconfig, '--price', '$20/h')
  assert.equal(joined.code, 0, joined.stderr)
  assert.match(joined.stderr, /kubernetes\/east is joined/)
  const again = await house.add('--kubeconfig', kubeconfig, '--price', '$20/h')
  assert.deepEqual([again.code, /there is a site kubernetes\/east already/.test(again.stderr)], [5, true])

  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  const second = await aServer(t, { ...house, port: 0, home: await alike(t, house.home) })
  assert.ok((await ask(second, 'GET /v1/sites/kubernetes/east')).json.leases === 1)

  const stuck = await house.isobar('site', 'leave', 'kubernetes/east')
  assert.equal(stuck.code, 2)
  assert.match(stuck.stderr, /1 gang of ours is at kubernetes\/east/)
  const left = await house.isobar('site', 'leave', 'kubernetes/east', '--stop')
  assert.equal(left.code, 0, left.stderr)
  assert.equal((await look()).state, 'queued')
  for (const kind of ['jobs', 'pods', 'secrets', 'services']) assert.deepEqual(await house.objects(kind), [], kind)
  assert.equal((await house.isobar('site', 'leave', 'kubernetes/east')).code, 3)
})

type Manifest = { apiVersion: string; kind: string; metadata: { namespace?: string } }

function pathOf({ apiVersion, kind, metadata: { namespace } }: Manifest): string {
  const group = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  return `${group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${kind.toLowerCase()}s`
}

/** A state directory for a second control plane of the same house. */
async function alike(t: TestContext, home: string): Promise<string> {
  const other = aHome(t)
  for (const file of ['key', 'token', 'sites.yaml']) spawnSync('cp', ['-p', join(home, file), other])
  return other
}

test('an account that may not watch joins all the same, and hears what it lacks', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const kubeconfig = await house.account()
  const { stdout } = await house.add('--kubeconfig', kubeconfig, '--dry-run')
  for (const document of parseAllDocuments(stdout)) {
    const one = document.toJS() as Manifest & { rules?: { verbs: string[] }[] }
    const rules = one.rules?.map((rule) => ({ ...rule, verbs: rule.verbs.filter((verb) => verb !== 'watch') }))
    await plane.ask('POST', pathOf(one), { ...one, ...(rules && { rules }) })
  }
  const trial = await house.add('--kubeconfig', kubeconfig, '--dry-run')
  assert.deepEqual([trial.code, (trial.stdout.match(/- watch/g) ?? []).length > 0], [0, true], trial.stderr)
  const joined = await house.add('--kubeconfig', kubeconfig, '--price', '$20/h')
  assert.equal(joined.code, 0, joined.stderr)
  assert.match(
    joined.stderr,
    /may not watch jobs; watch pods; watch nodes; watch pods; watch resourceslices; watch resourceclaims: it/,
  )
  assert.doesNotMatch(joined.stdout, /kind: Role/)
})

test('a drain lets a gang end, and an object that others hold is told and left to them', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const argv = ['site', 'add', 'kubernetes', '--kubeconfig', plane.kubeconfig, '--namespace', house.namespace]
  const person = { env: house.env, tty: { stdin: true, stdout: false, stderr: true } }
  const silent = await callMain([...argv, '--name', 'east'], { ...person, input: '\n' })
  assert.deepEqual([silent.code, /nothing was joined/.test(silent.stderr)], [130, true], silent.stderr)
  const asked = await callMain([...argv, '--name', 'east'], { ...person, input: '$20/h\n' })
  assert.match(asked.stderr, /What does a node \S+ cost an hour\?/)
  assert.equal(asked.code, 0, asked.stderr)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  assert.equal((await house.isobar('site', 'leave', 'kubernetes/east', '--drain', '--begin')).code, 0)
  const waiting = await house.submit(gang.replace('name: gang', 'name: later'))
  const [job] = await house.objects('jobs')
  const path = `/apis/batch/v1/namespaces/${house.namespace}/jobs/${job?.metadata.name}`
  const secret = `/api/v1/namespaces/${house.namespace}/secrets/${job?.metadata.name}`
  const hold = { metadata: { finalizers: ['stranger.example/hold'] } }
  await Promise.all([path, secret].map((one) => plane.ask('PATCH', one, hold)))
  for (const { metadata } of await house.objects('pods'))
    await plane.ask('PATCH', `/api/v1/namespaces/${house.namespace}/pods/${metadata.name}`, {
      metadata: { annotations: { 'rig.isobar.test/exits': '0,0' } },
    })
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  const held = await house.isobar('site', 'leave', 'kubernetes/east', '--drain')
  assert.equal(held.code, 8, held.stderr)
  assert.match(held.stderr, /job isobar-\S+ is deleted, and waits for stranger\.example\/hold, which others set/)
  assert.match(held.stderr, /next: kubectl -n \S+ get job/)
  assert.equal((await waiting()).state, 'queued')
  await plane.ask('PATCH', path, { metadata: { finalizers: ['foregroundDeletion'] } })
  const waits = async () => (await ask(house.server, 'GET /v1/sites/kubernetes/east')).text
  await until('its Secret is told', async () =>
    /secret isobar-\S+ is deleted, and waits for stranger\.example\/hold, which others set/.test(await waits()),
  )
  assert.equal((await house.isobar('site', 'leave', 'kubernetes/east', '--drain')).code, 8, 'it waits for them')
  assert.equal((await house.objects('jobs')).length, 1, 'its Job stands as long')
  await plane.ask('PATCH', secret, { metadata: { finalizers: null } })
  await until('it is left', async () => [0, 3].includes((await house.isobar('site', 'leave', 'kubernetes/east')).code))
  assert.deepEqual(await house.objects('jobs'), [])
})

test('a cluster that will never answer again is left by whoever says so, and its gang waits for another site', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const proxy = await openFaultProxy({ target: { host: '127.0.0.1', port: plane.port }, draw: Math.random })
  t.after(() => proxy.close())
  const kubeconfig = plane.kubeconfigFor(house.namespace, { server: `https://127.0.0.1:${proxy.port}` })
  const joined = await house.add('--kubeconfig', kubeconfig, '--price', '$20/h', '--patience', '1h')
  assert.equal(joined.code, 0, joined.stderr)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  proxy.trouble([{ kind: 'refuse' }])
  const away = async () => (await ask(house.server, 'GET /v1/sites/kubernetes/east')).json.reach === 'unreachable'
  await until('it does not answer', away)
  const silent = await house.isobar('site', 'leave', 'kubernetes/east', '--stop')
  assert.equal(silent.code, 8, silent.stderr)
  assert.match(silent.stderr, /next: isobar site leave kubernetes\/east --gone \(only where it is gone for good\)\n/)
  assert.equal((await look()).state, 'running', 'nobody knows whether it runs')
  const gone = await house.isobar('site', 'leave', 'kubernetes/east', '--gone')
  assert.equal(gone.code, 0, gone.stderr)
  assert.match(gone.stderr, /kubernetes\/east is left\n/)
  assert.equal((await look()).state, 'queued')
  assert.doesNotMatch((await house.isobar('sites')).stdout, /kubernetes/)
})

test('a cluster that only a proxy reaches is joined through it, and what runs there outlives it', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const proxy = await openConnectProxy({ leads: { [hidden]: plane.port }, wants: 'ada:love%20lace' })
  t.after(() => proxy.kill())
  const kubeconfigOf = (url: string) =>
    plane.kubeconfigFor(`${house.namespace}-proxied`, { cluster: clusterBehind({ url }) })
  const strange = await house.add('--kubeconfig', kubeconfigOf(proxy.url.replace('lace', 'letter')), '--dry-run')
  assert.equal(strange.code, 4, strange.stderr)
  assert.match(strange.stderr, /is not reached: the proxy http:\S+ wants a name and a password \(407 /)
  assert.doesNotMatch(strange.stderr + strange.stdout, /love|letter/)
  const kubeconfig = kubeconfigOf(proxy.url)
  const trial = await house.add('--kubeconfig', kubeconfig, '--dry-run')
  assert.equal(trial.code, 0, trial.stderr)
  assert.match(trial.stdout, new RegExp(`^server: +https://${hidden}\nproxy: +${proxy.origin}$`, 'm'))
  const joined = await house.add('--kubeconfig', kubeconfig, '--price', '$20/h', '--patience', '1h')
  assert.equal(joined.code, 0, joined.stderr)
  const look = await house.submit(gang)
  await until('it runs', async () => (await look()).state === 'running')
  await proxy.kill()
  const site = async () => (await ask(house.server, 'GET /v1/sites/kubernetes/east')).json
  await until('it does not answer', async () => (await site()).reach === 'unreachable')
  for (const { metadata } of await house.objects('pods'))
    await plane.ask('PATCH', `/api/v1/namespaces/${house.namespace}/pods/${metadata.name}`, {
      metadata: { annotations: { 'rig.isobar.test/exits': '0,0' } },
    })
  assert.equal((await look()).state, 'running', 'nobody knows whether it runs')
  const { opened } = proxy.tunnels()
  await proxy.start()
  await until('it has succeeded', async () => (await look()).state === 'succeeded')
  assert.ok(proxy.tunnels().opened > opened)
  const left = await house.isobar('site', 'leave', 'kubernetes/east', '--stop')
  assert.equal(left.code, 0, left.stderr)
  assert.deepEqual(await house.objects('jobs'), [])
})

test('a namespace is joined once, whichever way it is reached: a second site of it is refused, and so is a start with two', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const proxy = await openFaultProxy({ target: { host: '127.0.0.1', port: plane.port }, draw: Math.random })
  t.after(() => proxy.close())
  const other = plane.kubeconfigFor(`${house.namespace}-other`, { server: `https://127.0.0.1:${proxy.port}` })
  const joined = await house.add('--kubeconfig', plane.kubeconfig, '--price', '$20/h')
  assert.equal(joined.code, 0, joined.stderr)
  const place = ['site', 'add', 'kubernetes', '--kubeconfig', other, '--price', '$20/h']
  const twice = await house.isobar(...place, '--namespace', house.namespace, '--name', 'west')
  assert.equal(twice.code, 5, twice.stderr)
  assert.match(
    twice.stderr,
    /it is the same place as kubernetes\/east, and neither of the two would count what the other /,
  )
  assert.match(twice.stderr, /next: use kubernetes\/east, .*: isobar site leave kubernetes\/east\n$/)
  await addNamespace(plane, `${house.namespace}-beside`)
  const beside = await house.isobar(...place, '--namespace', `${house.namespace}-beside`, '--name', 'west')
  assert.equal(beside.code, 0, beside.stderr)

  const home = aHome(t)
  const site = { provider: 'kubernetes', namespace: house.namespace, price: '$20/h' }
  const sites = [
    { ...site, name: 'a', kubeconfig: plane.kubeconfig },
    { ...site, name: 'b', kubeconfig: other },
  ]
  writeFileSync(join(home, 'sites.yaml'), `sites:\n${sites.map((one) => `  - ${JSON.stringify(one)}\n`).join('')}`)
  await assert.rejects(
    aServer(t, { home, url: await aDatabase(), port: 0 }),
    /sites\.yaml:3:5: sites\[1\]: it is the same place as kubernetes\/a, .*\n.*\n.*\nremove kubernetes\/b here, or have it /,
  )
})

test('a price that the list knows with region and date is taken from it, and told; what it does not know is asked for', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  t.after(() => plane.ask('DELETE', '/api/v1/nodes/listed'))
  const labels = {
    'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
    'node.kubernetes.io/instance-type': 'p5.48xlarge',
    'topology.kubernetes.io/region': 'us-east-1',
  }
  await addNodes(plane, [{ name: 'listed', has: { 'nvidia.com/gpu': '8' }, labels }])
  const trial = await house.add('--kubeconfig', plane.kubeconfig, '--dry-run', '-o', 'json')
  assert.equal(trial.code, 0, trial.stderr)
  const { nodes, declaration, unknown, notes } = JSON.parse(trial.stdout)
  assert.deepEqual(
    nodes.map(({ nodes: number, priceMicros }: Record<string, unknown>) => [number, priceMicros]),
    [
      [4, null],
      [1, 55_040_000],
    ],
  )
  assert.deepEqual(declaration.prices, { '8xH100-p5.48xlarge': '$55.04/h' })
  const asked = unknown.map(({ field }: { field: string }) => field)
  assert.deepEqual(asked, ['jurisdictions', `prices.${nodes[0].shape}`])
  assert.match(notes.join('\n'), /^from Amazon's list of July 2026: 8xH100-p5\.48xlarge \$55\.04\/h; /m)
  const own = await house.add('--kubeconfig', plane.kubeconfig, '--price', '$20/h', '--dry-run', '-o', 'json')
  assert.deepEqual(JSON.parse(own.stdout).declaration.prices, undefined)
})

test('a real plug-in says who we are, and what it cannot say is told', async (t) => {
  const house = await aHouse(t)
  await addNamespace(plane, house.namespace)
  const known = JSON.parse(readFileSync(plane.kubeconfig, 'utf8'))
  const token = known.users[0].user.token
  const plugin = join(house.home, 'get-token')
  const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } }
  writeFileSync(plugin, `#!/bin/sh\ncat <<'E'\n${JSON.stringify(credential)}\nE\n`, { mode: 0o700 })
  const exec = { apiVersion: credential.apiVersion, command: plugin, interactiveMode: 'Never' }
  const kubeconfig = (command: string) => {
    const path = join(house.home, 'kubeconfig')
    writeFileSync(
      path,
      JSON.stringify({ ...known, users: [{ ...known.users[0], user: { exec: { ...exec, command } } }] }),
    )
    return path
  }
  const seen = await house.add('--kubeconfig', kubeconfig(plugin), '--dry-run')
  assert.equal(seen.code, 0, seen.stderr)
  assert.match(seen.stdout, /account: +admin/)
  const absent = await house.add('--kubeconfig', kubeconfig('/nowhere/get-token'), '--dry-run')
  assert.equal(absent.code, 4)
  assert.match(absent.stderr, /asks \/nowhere\/get-token who we are, which is not on this machine/)
})

test('what is wrong is told with its fix: context, kubeconfig, credential, namespace, labels', async (t) => {
  const house = await aHouse(t)
  const expect = async (argv: string[], code: number, [said, fix]: [RegExp, RegExp]) => {
    const answer = await house.add('--price', '$20/h', ...argv)
    assert.equal(answer.code, code, answer.stderr)
    assert.match(answer.stderr, said)
    assert.match(answer.stderr, fix)
  }
  const admin = ['--kubeconfig', plane.kubeconfig]
  await expect([...admin, '--context', 'rug'], 2, [/has no context rug; did you mean rig\?/, /next: kubectl config/])
  await expect(['--kubeconfig', '/nowhere/config'], 2, [/\/nowhere\/config cannot be read/, /next: kubectl config/])
  const wrong = plane.kubeconfigFor('wrong', { token: 'nobody-knows-it' })
  await expect(['--kubeconfig', wrong], 4, [/does not know the credential of context rig \(401/, /next: sign in again/])
  const away = plane.kubeconfigFor('away', { server: 'https://127.0.0.1:9' })
  await expect(['--kubeconfig', away], 1, [/does not answer: ECONNREFUSED/, /next: kubectl --context rig get --raw/])
  await expect(admin, 2, [/there is no namespace joining-\d+/, /next: kubectl create namespace joining-/])
  await addNamespace(plane, house.namespace)
  const label = ['--topology', 'nvidia.com/gpu.clicque']
  await expect([...admin, ...label], 2, [
    /no node has the label nvidia\.com\/gpu\.clicque/,
    /next: --topology nvidia\.com\/gpu\.clique\n/,
  ])
  await expect([...admin, '--queue', 'team'], 2, [
    /serves kueue\.x-k8s\.io neither in v1beta2 nor in v1beta1/,
    /next: kubectl -n joining-\d+ get localqueues\n/,
  ])
  await expect(['--kubeconfig', await house.account(), '--queue', 'team'], 4, [
    /may not .*; get localqueues; list, watch workloads/,
    /next: the manifest that is missing is printed/,
  ])
  await expect([...admin, '--tier', 'cheap'], 2, [/tier: Invalid option/, /next: isobar site add --help/])
  assert.doesNotMatch((await house.isobar('sites')).stdout, /kubernetes/)
})

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 120_000; !(await condition()); await sleep(100))
    if (performance.now() > deadline) assert.fail(`waited in vain: ${what}`)
}
