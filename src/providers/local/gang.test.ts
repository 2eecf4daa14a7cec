import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { type Gang, plainGo, ScriptedControlPlane } from '#agent/scripted-control-plane.ts'
import { createClock } from '#kit/clock.ts'
import { identify, type ProcessIdentity, taggedProcesses } from '#kit/processes.ts'
import { type AgentOrder, leaseTag } from '#model/agent-folder.ts'
import type { CredentialedOrder } from '#model/order.ts'

import { createLocal } from './local.ts'
import { forever, openLocalRig, smallShape, until, valueOf } from './rig.ts'

const handle = ({ token }: CredentialedOrder) => ({ site: 'west', token })

async function open(context: TestContext, shape = smallShape) {
  const controlPlane = await ScriptedControlPlane.open()
  const rig = openLocalRig(controlPlane.address, shape)
  context.after(async () => {
    await rig.close()
    await controlPlane.down()
  })
  const { provider, site } = rig
  return {
    ...rig,
    controlPlane,
    /** Says what the ranks run, and launches. */
    async launch(order: CredentialedOrder, go: Gang['go']) {
      controlPlane.gangs.set(order.credential, { ranks: order.ranks.length, go })
      return provider.launch(order, forever)
    },
    states: async (order: CredentialedOrder) =>
      valueOf(await provider.get(handle(order), forever))?.ranks.map(({ state }) => state),
    file: <T>(order: CredentialedOrder, name: string): T =>
      JSON.parse(readFileSync(join(site.root, 'orders', order.token, name), 'utf8')) as T,
    retire: (order: CredentialedOrder, graceMs: number) =>
      until('it is gone', async () => valueOf(await provider.retire(handle(order), graceMs, forever)) === 'gone'),
    tagged: (order: CredentialedOrder) => taggedProcesses(leaseTag, order.token),
  }
}

const sleeps = () => ({ run: 'exec sleep 1000' })

test('a rank whose agent was killed is lost, and retiring it ends all that it left', async (context) => {
  const { order, launch, states, file, retire, tagged } = await open(context)
  const gang = order({ ranks: 2 })
  valueOf(await launch(gang, () => ({ run: "trap '' TERM PIPE; setsid sleep 1000 & while :; do sleep 0.1; done" })))
  await until('both run', async () => (await states(gang))?.every((state) => state === 'running'))
  process.kill(file<ProcessIdentity>(gang, '0/agent.json').pid, 'SIGKILL')
  await until('it is seen', async () => (await states(gang))?.join() === 'lost,running')
  assert.ok((await tagged(gang)).length >= 5)
  await retire(gang, 50)
  assert.deepEqual(await tagged(gang), [])
})

test('nothing is left of what was retired', async (context) => {
  const { order, launch, states, retire, site } = await open(context)
  const gang = order({ ranks: 3 })
  valueOf(await launch(gang, sleeps))
  await until('all run', async () => (await states(gang))?.every((state) => state === 'running'))
  await retire(gang, 1000)
  assert.deepEqual(readdirSync(join(site.root, 'orders')), [])
  assert.deepEqual(readdirSync(join(site.root, 'claims')), [])
})

test('a launch that comes after its retirement starts nothing', async (context) => {
  const { order, launch, retire, tagged, site } = await open(context)
  const late = order()
  await retire(late, 0)
  const answer = await launch(late, sleeps)
  assert.deepEqual(!answer.ok && [answer.fault.kind, answer.fault.retry], ['conflict', 'never'])
  assert.deepEqual([readdirSync(join(site.root, 'orders')), await tagged(late)], [[], []])
})

test('a launch that died before it started the agents is finished by the next', async (context) => {
  const { order, launch, states, site } = await open(context)
  const gang = order({ ranks: 2 })
  const broken = createLocal({ sites: [site], agentCommand: ['/does/not/exist'] })
  const answer = await broken.launch(gang, forever)
  assert.deepEqual(!answer.ok && [answer.fault.kind, answer.fault.retry], ['throttled', 'later'])
  assert.deepEqual(await states(gang), ['expected', 'expected'])
  valueOf(await launch(gang, sleeps))
  await until('both run', async () => (await states(gang))?.join() === 'running,running')
})

test('a site that is away is not made anew', async (context) => {
  const { provider, site } = await open(context)
  await provider.prepare()
  renameSync(site.root, `${site.root}-away`)
  await provider.prepare()
  const listed = await createLocal({ sites: [site] }).list('west', forever)
  assert.deepEqual([listed.ok, existsSync(site.root)], [false, false])
  renameSync(`${site.root}-away`, site.root)
  assert.deepEqual(await provider.list('west', forever), { ok: true, value: [] })
})

test('half-made folders do not disturb a list', async (context) => {
  const { provider, site, order, launch } = await open(context)
  const whole = order()
  valueOf(await launch(whole, sleeps))
  mkdirSync(join(site.root, 'orders', '.half.1.x'))
  mkdirSync(join(site.root, 'orders', 'l-empty'))
  const seen = valueOf(await provider.list('west', forever))
  assert.deepEqual(
    new Map(seen.map(({ token, workload }) => [token, workload])),
    new Map([
      [whole.token, 'w-1'],
      ['l-empty', ''],
    ]),
  )
  assert.equal(valueOf(await provider.retire({ site: 'west', token: 'l-empty' }, 0, forever)), 'gone')
})

test('each rank has an address of its own on Linux', { skip: process.platform !== 'linux' }, async (context) => {
  const { order, launch, file } = await open(context)
  const orders = [order({ ranks: 4 }), order({ ranks: 4 })]
  for (const one of orders) valueOf(await launch(one, sleeps))
  const asked = orders.flatMap((one) => [0, 1, 2, 3].map((rank) => file<AgentOrder>(one, `${rank}/order.json`)))
  assert.equal(new Set(asked.map(({ address }) => address)).size, 8)
  assert.equal(new Set(asked.map(({ masterPort }) => masterPort)).size, 2)
})

test('an accelerator belongs to one rank at a time', async (context) => {
  const big = { ...smallShape, accelerator: 'H200', accelerators: 4 }
  const { order, launch, file, retire } = await open(context, big)
  const three = { ...big, accelerators: 3, cpuMilli: 100, memoryMiB: 10, diskMiB: 1 }
  const onFirst = (shape: typeof three) => ({ ...order(), ranks: [{ rank: 0, node: 'n0', shape }] })
  const [first, second] = [onFirst(three), onFirst({ ...three, accelerators: 2 })]
  valueOf(await launch(first, sleeps))
  assert.deepEqual(file<AgentOrder>(first, '0/order.json').accelerators, [0, 1, 2])
  const refused = await launch(second, sleeps)
  assert.deepEqual(!refused.ok && [refused.fault.kind, refused.fault.retry], ['no-capacity', 'elsewhere'])
  await retire(first, 0)
  valueOf(await launch(second, sleeps))
  assert.deepEqual(file<AgentOrder>(second, '0/order.json').accelerators, [0, 1])
})

test('a later process with the number of a dead agent is not taken for it', async (context) => {
  const { order, launch, states, file } = await open(context)
  const gang = order()
  valueOf(await launch(gang, sleeps))
  await until('it runs', async () => (await states(gang))?.join() === 'running')
  const agent = file<ProcessIdentity>(gang, '0/agent.json')
  assert.deepEqual(identify(agent.pid), agent)
  process.kill(agent.pid, 'SIGKILL')
  await until('it is gone', () => !identify(agent.pid))
  assert.deepEqual(await states(gang), ['lost'])
})

test('what cannot be an order is refused as a value', async (context) => {
  const { order, provider } = await open(context)
  const kinds = async (changes: Parameters<typeof order>[0]) => {
    const answer = await provider.launch(order(changes), forever)
    return answer.ok ? 'ok' : `${answer.fault.kind}/${answer.fault.retry}`
  }
  assert.equal(await kinds({ token: '../../etc' }), 'invalid/never')
  assert.equal(await kinds({ image: 'ubuntu' }), 'invalid/elsewhere')
  assert.equal(await kinds({ site: 'nowhere' }), 'invalid/elsewhere')
})

test(
  'a folder that may not be written is told as such',
  { skip: process.getuid?.() === 0 && 'root may write all' },
  async (context) => {
    const { order, launch, site, provider } = await open(context)
    await provider.prepare()
    rmSync(join(site.root, 'orders'), { recursive: true })
    mkdirSync(join(site.root, 'orders'), { mode: 0o500 })
    const answer = await launch(order(), sleeps)
    assert.deepEqual(!answer.ok && answer.fault.kind, 'denied')
  },
)

test('what was retired is remembered for a day, and then no longer', async (context) => {
  const { order, retire, site, provider } = await open(context)
  await provider.prepare()
  const old = join(site.root, 'retired', 'l-old')
  writeFileSync(old, '')
  const twoDaysAgo = Date.now() / 1000 - 2 * 86_400
  utimesSync(old, twoDaysAgo, twoDaysAgo)
  const late = order()
  await retire(late, 0)
  assert.deepEqual(readdirSync(join(site.root, 'retired')), [late.token])
})

test('what a launch or a retirement left halfway because it died goes with the next look', async (context) => {
  const { site, provider, launch, retire, order } = await open(context)
  valueOf(await provider.list('west', forever))
  const orders = join(site.root, 'orders')
  const gang = order()
  const dead = 2 ** 22 + 1
  const old = new Date(Date.now() - 20_000)
  for (const owner of [dead, process.pid]) {
    const partial = join(orders, `.${gang.token}.${owner}.x`)
    mkdirSync(partial)
    utimesSync(partial, old, old)
  }
  valueOf(await provider.list('west', forever))
  assert.deepEqual(readdirSync(orders), [`.${gang.token}.${process.pid}.x`])
  valueOf(await launch(gang, sleeps))
  symlinkSync(gang.token, join(site.root, 'claims', '127.1.2.3'))
  symlinkSync('l-other', join(site.root, 'claims', '127.1.2.4'))
  const slow = order()
  await retire(slow, 0)
  symlinkSync(slow.token, join(site.root, 'claims', 'port-20000'))
  await retire(gang, 0)
  valueOf(await provider.list('west', forever))
  assert.deepEqual(readdirSync(join(site.root, 'claims')), ['127.1.2.4'])
})

test("what an order holds is nobody else's before its last process has ended", async (context) => {
  const { site, provider, launch, retire, order } = await open(context)
  const slow = order()
  valueOf(await launch(slow, () => ({ run: "trap '' TERM; echo > up; while :; do sleep 0.05; done" })))
  await until('it runs', () => existsSync(join(site.root, 'orders', slow.token, '0/work/up')))
  const holders = () =>
    readdirSync(join(site.root, 'claims')).map((name) => readlinkSync(join(site.root, 'claims', name)))
  const held = holders()
  assert.equal(valueOf(await provider.retire({ site: 'west', token: slow.token }, 60_000, forever)), 'retiring')
  const other = order()
  valueOf(await launch(other, sleeps))
  await retire(other, 0)
  valueOf(await provider.list('west', forever))
  assert.deepEqual(holders(), held)
  await retire(slow, 0)
  assert.deepEqual(holders(), [])
})

test('folders in which a workload let nobody write go as well; those of others close no site', async (context) => {
  // Root may write anywhere.
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  if (isRoot) context.after(() => process.seteuid?.(0))
  const { site, provider, order, retire } = await open(context)
  valueOf(await provider.list('west', forever))
  const orders = join(site.root, 'orders')
  const ended = order()
  for (const name of [ended.token, '.l-1.4194305.going']) {
    const data = join(orders, name, '0', 'work', 'data')
    mkdirSync(data, { recursive: true })
    writeFileSync(join(data, 'x'), '')
    symlinkSync('/', join(data, 'root'))
    chmodSync(data, 0o555)
    chmodSync(join(data, '..'), 0)
    utimesSync(join(orders, name), 0, 0)
  }
  await retire(ended, 0)
  valueOf(await provider.list('west', forever))
  assert.deepEqual(readdirSync(orders), [])
  if (!isRoot) return
  process.seteuid?.(0)
  mkdirSync(join(orders, '.l-2.4194305.going', 'x'), { recursive: true })
  utimesSync(join(orders, '.l-2.4194305.going'), 0, 0)
  process.seteuid?.(65_534)
  valueOf(await provider.list('west', forever))
})

test('an agent that dies before it says who it is is seen as lost at once', async (context) => {
  const { site, order, states, controlPlane } = await open(context)
  const provider = createLocal({ sites: [site], agentCommand: ['/bin/true'] })
  const gang = order()
  controlPlane.gangs.set(gang.credential, { ranks: 1, go: sleeps })
  valueOf(await provider.launch(gang, forever))
  await until('it is lost', async () => (await states(gang))?.join() === 'lost')
})

const permitted = (run: string): NonNullable<CredentialedOrder['permit']> => ({
  go: { ...plainGo, run },
  until: clock.now() + 20_000,
})
const clock = createClock()

test('with a permit a rank starts though no control plane answers; one that ran out, or came before, starts nothing', async (context) => {
  const { order, site, controlPlane, states, file } = await open(context)
  const provider = createLocal({ sites: [site], clock })
  await controlPlane.down()
  const run = 'echo $ISOBAR_NODE_ADDRESSES; exec sleep 1000'
  const alone = order({ permit: permitted(run) })
  valueOf(await provider.launch(alone, forever))
  await until('it runs', async () => (await states(alone))?.join() === 'running')
  const { address } = file<AgentOrder>(alone, '0/order.json')
  const log = () => provider.logs(handle(alone), { rank: 0, from: 0, most: 100 }, forever)
  await until('it knows itself', async () => Buffer.from(valueOf(await log()).bytes).toString() === `${address}\n`)

  const late = order({ permit: { ...permitted(run), until: clock.now() - 1 } })
  valueOf(await provider.launch(late, forever))
  assert.equal(file<AgentOrder>(late, '0/order.json').permit, undefined)
  // The caller dies before its agent is forked; who finishes it later has a permit that must not count.
  const died = order({ permit: { ...permitted(run), until: clock.now() + 50 } })
  const broken = createLocal({ sites: [site], clock, agentCommand: ['/does/not/exist'] })
  assert.equal((await broken.launch(died, forever)).ok, false)
  await until('it is over', () => clock.now() > (died.permit?.until ?? 0))
  valueOf(await provider.launch({ ...died, permit: permitted(run) }, forever))
  await until(
    'all have arrived',
    async () => [...((await states(late)) ?? []), ...((await states(died)) ?? [])].join() === 'arrived,arrived',
  )
  await controlPlane.up()
  for (const { credential } of [late, died])
    controlPlane.gangs.set(credential, { ranks: 1, go: () => ({}), fenced: true })
  const over = async () => [...((await states(late)) ?? []), ...((await states(died)) ?? [])]
  await until('they are fenced', async () => (await over()).every((state) => state === 'exited'))
  for (const one of [late, died]) assert.equal(existsSync(join(site.root, 'orders', one.token, '0/start.json')), false)
})
