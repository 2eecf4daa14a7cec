import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sayCause } from '#model/cause.ts'
import { asLongAsItTakes, handleOf, valueOf } from '#providers/conformance-looks.ts'
import type { RankSighting } from '#providers/provider.ts'
import { images } from '#rigs/kubernetes/images.ts'
import { nodeName } from '#rigs/kubernetes/node.ts'
import { evict } from '#rigs/kubernetes/troubles.ts'
import { aSite, type Here } from './here.ts'

const isRunning = ({ state }: RankSighting): boolean => state === 'running'
const isOver = ({ state }: RankSighting): boolean => state === 'exited' || state === 'lost'
const told = ({ cause }: RankSighting): string => (cause ? sayCause(cause) : '')

/** What goes wrong in real containers is told as it is. */
export function describeCauses(here: () => Here): void {
  test('a rank that uses more memory than it asked for ended so, and is told to ask for more', async (t) => {
    const site = await aSite(t, here())
    const order = await site.launched(['tail /dev/zero'])
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode], ['exited', 137])
    assert.equal(told(rank), 'it was out of memory; ask for more resources.memory')
    await site.gone(order)
  })

  test('an image that cannot be pulled is told while its rank does not start', async (t) => {
    const site = await aSite(t, here())
    const order = await site.launched(['true'], { image: '127.0.0.1:1/absent:1' })
    const rank = await site.until(order, 'its cause is known', ({ cause }) => cause !== undefined)
    assert.equal(rank.state, 'expected')
    assert.match(told(rank), /^its image cannot be pulled \(.+\); check the name of its image, and that the site may /s)
    await site.gone(order)
  })

  test('an image that has no shell is told as one that cannot be started, not as one that cannot be pulled', async (t) => {
    const site = await aSite(t, here())
    const order = await site.launched(['true'], { image: images.bare })
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode], ['exited', 128])
    assert.match(
      told(rank),
      /^its container cannot be started \(.*\/bin\/sh.*\); check that its image has a \/bin\/sh, and is made for the /s,
    )
    await site.gone(order)
  })

  test('a rank that fills more disk than it asked for is evicted, and that is a loss', async (t) => {
    const site = await aSite(t, here())
    const order = await site.launched(['dd if=/dev/zero of=much bs=1M count=40; sleep 1000'], { diskMiB: 20 })
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode], ['lost', null])
    assert.match(told(rank), /^it was evicted \(.+\); ask for as much memory and disk as it uses$/s)
    await site.gone(order)
  })

  test('a rank whose pod is out of time is lost, and told to ask for longer', async (t) => {
    const site = await aSite(t, here())
    const order = await site.launched(['sleep 1000'])
    await site.until(order, 'it runs', isRunning)
    const { name } = (await site.pod()).metadata
    // As a policy of its cluster may do.
    await here().plane.ask('PATCH', `/api/v1/namespaces/${site.namespace}/pods/${name}`, {
      spec: { activeDeadlineSeconds: 1 },
    })
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode], ['lost', null])
    assert.match(told(rank), /^its time there was over \(.*deadline.*\); give it a longer duration\.maximum$/)
    await site.gone(order)
  })

  test('a container that is killed has exited with 137, and not for want of memory', async (t) => {
    const site = await aSite(t, here())
    const order = await site.launched(['sleep 1000'])
    await site.until(order, 'it runs', isRunning)
    await here().node.killContainer((await site.pod()).metadata.name)
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode, rank.cause], ['exited', 137, undefined])
    await site.gone(order)
  })
}

/** Who has to pass the check of a replica that has several ranks. */
export function describeReplicas(here: () => Here): void {
  test('of a replica the first rank is checked; the others, which need not listen, are ready when they run', async (t) => {
    const site = await aSite(t, here())
    const serves = 'until [ -e "$ISOBAR_CHECKPOINT_DIR/now" ]; do sleep 0.1; done; exec httpd -f -p 8080'
    const tells = 'sleep 2; touch "$ISOBAR_CHECKPOINT_DIR/now"; exec sleep 1000'
    const order = await site.launched([serves, tells], { ports: [8080] })
    const areReady = async (): Promise<(boolean | undefined)[]> => {
      const seen = valueOf(await site.provider.get(handleOf(order), asLongAsItTakes))
      return seen?.ranks.map(({ serving }) => serving?.ready) ?? []
    }
    const until = (what: string, wanted: boolean[]) =>
      here().plane.waitFor(what, async () => assert.deepEqual(await areReady(), wanted))
    await until('the other is ready', [false, true])
    await until('the first serves', [true, true])
    await site.gone(order)
  })
}

/** Ranks that are told to end do so in good order, whoever tells them. */
export function describeEnds(here: () => Here): void {
  test('a pod that a stranger deletes is lost, also while it ends, and no other comes in its place', async (t) => {
    const site = await aSite(t, here())
    const save = 'trap "sleep 1; exit 143" TERM; sleep 1000 & wait'
    const order = await site.launched([save], { graceMs: 5000 })
    await site.until(order, 'it runs', isRunning)
    const { name } = (await site.pod()).metadata
    await here().plane.ask('DELETE', `/api/v1/namespaces/${site.namespace}/pods/${name}`)
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode], ['lost', null])
    await here().plane.waitFor('its pod is gone', async () => assert.deepEqual(await site.pods(), []))
    assert.equal((await site.until(order, 'it stays so', isOver)).state, 'lost')
    await site.gone(order)
  })

  test('a rank that is retired hears of it, and has its grace to save what it has', async (t) => {
    const site = await aSite(t, here())
    const save = 'trap "sleep 1; echo whole >$ISOBAR_CHECKPOINT_DIR/state; exit 143" TERM; sleep 1000 & wait'
    const order = await site.launched([save], { graceMs: 30_000 })
    await site.until(order, 'it runs', isRunning)
    await site.gone(order, 30_000)
    assert.equal(site.saved(order, 'state'), 'whole\n')
    const next = await site.launched(['cp $ISOBAR_RESUME_DIR/state $ISOBAR_CHECKPOINT_DIR/state'], { attempt: 2 })
    await site.until(next, 'the next attempt has ended', isOver)
    assert.equal(site.saved(next, 'state'), 'whole\n')
    await site.gone(next)
  })

  test('a rank whose node is drained has notice while it saves, and is lost then', async (t) => {
    const site = await aSite(t, here())
    const save = 'trap "sleep 2; exit 143" TERM; sleep 1000 & wait'
    const order = await site.launched([save], { graceMs: 10_000 })
    await site.until(order, 'it runs', isRunning)
    await evict(here().plane, { namespace: site.namespace, token: order.token })
    const noticed = await site.until(order, 'it has notice', ({ leavesAt }) => leavesAt !== undefined)
    assert.deepEqual([noticed.state, noticed.cause?.kind], ['running', 'maintenance'])
    assert.equal((await site.until(order, 'it is over', isOver)).state, 'lost')
    await site.gone(order)
  })
}

const isWhole = (line = ''): boolean => /^1\d{6}$/.test(line)

/** A kubelet keeps the end of a log only, and says nothing of what it dropped. */
export function describeRotation(here: () => Here): void {
  test('a log that is rotated stays in order, and says where some of it may be missing', async (t) => {
    const site = await aSite(t, here())
    const last = 1_120_000
    const burst = `at=1000000; while [ $at -lt ${last} ]; do seq $((at + 1)) $((at + 2000)); at=$((at + 2000)); sleep 0.15; done`
    const order = await site.launched([`${burst}; while :; do echo the end; sleep 0.3; done`])
    let text = ''
    const read = async (from: number, provider = site.provider) =>
      valueOf(await provider.logs(handleOf(order), { rank: 0, from, most: 65_536 }, asLongAsItTakes))
    await here().plane.waitFor('all of it was read', async () => {
      const { from, bytes, end } = await read(text.length)
      assert.deepEqual([from, end], [text.length, false])
      text += Buffer.from(bytes).toString()
      assert.ok(text.includes('the end'))
    })
    const lines = text.trim().split('\n')
    const numbers = lines.filter(isWhole).map(Number)
    assert.ok(text.includes('\n[the log was rotated: '), 'it was not rotated')
    assert.ok(numbers.length > 10_000)
    // Only where it says so is anything missing, or a line not whole.
    for (const [index, line] of lines.entries())
      if (isWhole(line) && isWhole(lines[index - 1])) assert.equal(Number(line), Number(lines[index - 1]) + 1)
    assert.deepEqual(numbers, numbers.toSorted(), 'something came again')
    const later = await site.reopen()
    await here().plane.waitFor('one that has lost all memory goes on', async () =>
      assert.match(
        Buffer.from((await read(text.length, later)).bytes).toString(),
        /^\n\[the log was rotated: here output may be missing, or come again\]\n/,
      ),
    )
    await site.gone(order)
  })
}

/** A kubelet that is away tells nothing of what goes on. */
export function describeSilence(here: () => Here): void {
  const beat = 'echo started >>$ISOBAR_CHECKPOINT_DIR/starts; sleep 1000'
  const silence = async (is: string) => {
    const { conditions } = ((await here().plane.ask('GET', `/api/v1/nodes/${nodeName}`)) as NodeObject).status
    assert.equal(conditions.find(({ type }) => type === 'Ready')?.status, is)
  }

  test('a node that is silent for less than the patience of its pods loses nothing', async (t) => {
    const { plane, node } = here()
    const site = await aSite(t, here())
    const order = await site.launched([beat])
    const before = await site.until(order, 'it runs', isRunning)
    const { metadata, spec } = await site.pod()
    const patient = [...spec.tolerations, { operator: 'Exists', effect: 'NoExecute' }]
    const path = `/api/v1/namespaces/${site.namespace}/pods/${metadata.name}`
    await plane.ask('PATCH', path, { spec: { tolerations: patient } })
    node.signal('kubelet', 'SIGKILL')
    await plane.waitFor('the node is given up', () => silence('Unknown'))
    const meanwhile = valueOf(await site.provider.get(handleOf(order), asLongAsItTakes))?.ranks[0]
    await node.startKubelet()
    const after = await site.until(order, 'it runs', isRunning)
    assert.deepEqual([meanwhile, after], [before, before])
    assert.equal((await site.pod()).metadata.uid, metadata.uid)
    assert.equal(site.saved(order, 'starts'), 'started\n')
    await site.gone(order)
  })

  test('a node that is silent for longer is lost with its ranks, once; what ran on is ended when it is back', async (t) => {
    const { plane, node } = here()
    const site = await aSite(t, here())
    const order = await site.launched([beat])
    await site.until(order, 'it runs', isRunning)
    node.signal('kubelet', 'SIGKILL')
    const rank = await site.until(order, 'it is over', isOver)
    assert.deepEqual([rank.state, rank.exitCode, rank.cause?.kind], ['lost', null, 'node-lost'])
    assert.equal(valueOf(await site.provider.retire(handleOf(order), 1000, asLongAsItTakes)), 'retiring')
    assert.equal(await node.runs(site.namespace), 1) // nobody is there who could end it
    await node.startKubelet()
    await site.gone(order)
    assert.equal(await node.runs(site.namespace), 0)
    assert.equal(site.saved(order, 'starts'), 'started\n')
    await plane.waitFor('no pod is left', async () => assert.deepEqual(await site.pods(), []))
  })
}

type NodeObject = { status: { conditions: { type: string; status: string }[] } }
