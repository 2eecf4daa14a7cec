import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { CauseKind } from '#model/cause.ts'
import type { Outcome } from '#model/fault.ts'
import { Offer } from '#model/offer.ts'
import type { CredentialedOrder } from '#model/order.ts'
import { type Site, Site as SiteSchema } from '#model/site.ts'
import {
  asLongAsItTakes,
  ended,
  faultOf,
  gone,
  handleOf,
  poll,
  soon,
  tokens,
  until,
  valueOf,
} from './conformance-looks.ts'
import { theCauseIsTold, theNoticeStands, theTimeIsTold } from './conformance-told.ts'
import { changesAreTold, cutsAreTold, nothingIsMissed, theForgetfulAreTold } from './conformance-watch.ts'
import type { Provider, Taken } from './provider.ts'

/**
 * What every provider must do, as tests: the comments of `provider.ts` in a form that runs. Only tests import this
 * file; each provider's own test calls `describeProvider` with a rig that knows how to build one to try.
 */

/**
 * What a rank does when an order of a test runs: prints its lines, then exits with a code, dies of a signal, runs until
 * SIGTERM ends it (`told`), or ignores SIGTERM and runs until SIGKILL (`killed`).
 */
export type Program = { prints?: string[]; until: number | `SIG${string}` | 'told' | 'killed' }

/** One provider on trial, with a site of its own that holds at least three nodes of `order`. */
export type Rig = {
  provider: Provider
  site: string
  /** A valid order of one rank with a fresh token, changed as told; `ranks` says how many nodes. */
  order(changes?: Partial<Omit<CredentialedOrder, 'ranks'>> & { ranks?: number }): CredentialedOrder
  /** Says what the ranks of an order do, one program a rank; told before the launch. */
  script(order: CredentialedOrder, programs: Program[]): void
  /** Drops the provider with all its memory and makes another on the same configuration. */
  reopen(): Provider | Promise<Provider>
  close(): Promise<void>
  /** Makes the site unreachable, and reachable again; what runs there goes on. */
  cut?(): void | Promise<void>
  restore?(): void | Promise<void>
  /** An order that is larger than what the site has left. */
  tooMuch?(): CredentialedOrder
  /** The provider gives notice that it takes the node of rank 0 of this order in about a minute. */
  notice?(order: CredentialedOrder): void | Promise<void>
  /** An order of one rank with which something goes wrong of which more is known than a code; told before its launch. */
  hindered?(): { order: CredentialedOrder; kind: CauseKind } | Promise<{ order: CredentialedOrder; kind: CauseKind }>
  /** The next call of `list` is refused, and told to come again in a second. */
  busy?(): void | Promise<void>
}

/** What a rig may be unable to show, each with the reason. */
export type Lacks = Partial<
  Record<'exits' | 'logs' | 'cut' | 'full' | 'notice' | 'causes' | 'retryAfter' | 'watch', string>
>

/** Registers the tests that a provider has to pass. `open` is called once a test. */
export function describeProvider(name: string, open: () => Promise<Rig>, lacks: Lacks = {}): void {
  const it = (sentence: string, body: (rig: Rig) => Promise<void>) =>
    test(`${name}: ${sentence}`, async () => {
      const rig = await open()
      try {
        await body(rig)
      } finally {
        await rig.close()
      }
    })
  describeOffers(it)
  describeLaunch(it)
  describeRetire(it)
  describeSignals(it)
  if (!lacks.exits) describeExits(it)
  if (!lacks.logs) describeLogs(it)
  if (!lacks.cut) describeReach(it)
  if (!lacks.full) describeCapacity(it)
  describeTold(it, lacks)
  if (!lacks.watch) describeWatch(it, lacks)
}

type It = (sentence: string, body: (rig: Rig) => Promise<void>) => void

function describeOffers(it: It): void {
  it('its sites are well formed, whether they answer or not', async ({ provider, site }) => {
    const sites: Site[] = provider.sites().map((one) => SiteSchema.parse(one))
    assert.ok(sites.some((one) => one.name === site && one.provider === provider.name))
  })

  it('its offers are well formed and say where they come from and when that was true', async ({ provider, site }) => {
    const offers = valueOf(await provider.offers(site, asLongAsItTakes))
    assert.ok(offers.length > 0)
    for (const offer of offers) {
      assert.deepEqual(Offer.parse(offer), offer)
      assert.deepEqual([offer.provider, offer.site], [provider.name, site])
      assert.ok(offer.source.length > 0 && offer.asOf > 0)
    }
  })
}

/** Where a site has a line, it stands in that. */
function assertTaken(answer: Outcome<Taken>, order: CredentialedOrder): void {
  const { inLine: _inLine, ...handle } = valueOf(answer)
  assert.deepEqual(handle, handleOf(order))
}

function describeLaunch(it: It): void {
  it('a launch repeated with one token makes one gang and gives the same answer', async (rig) => {
    const order = running(rig)
    const first = await rig.provider.launch(order, asLongAsItTakes)
    assertTaken(first, order)
    assert.deepEqual(await rig.provider.launch(order, asLongAsItTakes), first)
    assert.deepEqual(await tokens(rig.provider, rig.site), [order.token])
  })

  it('two launches at once with one token make one gang', async (rig) => {
    const order = running(rig)
    const answers = await Promise.all([1, 2, 3].map(() => rig.provider.launch(order, asLongAsItTakes)))
    for (const answer of answers) assertTaken(answer, order)
    assert.deepEqual(await tokens(rig.provider, rig.site), [order.token])
  })

  it('a launch repeated after a total loss of memory makes no second gang', async (rig) => {
    const order = running(rig)
    const first = await rig.provider.launch(order, asLongAsItTakes)
    const provider = await rig.reopen()
    assert.deepEqual(await provider.launch(order, asLongAsItTakes), first)
    assert.deepEqual(await tokens(provider, rig.site), [order.token])
    await gone(provider, order)
  })

  it('other tokens are other gangs', async (rig) => {
    const orders = [running(rig), running(rig)]
    for (const order of orders) valueOf(await rig.provider.launch(order, asLongAsItTakes))
    assert.deepEqual(await tokens(rig.provider, rig.site), orders.map((order) => order.token).sort())
  })

  it('a list after a total loss of memory still finds what carries the tag, and whose it is', async (rig) => {
    const order = running(rig, { workload: 'w-tagged', attempt: 3 })
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    const provider = await rig.reopen()
    const found = valueOf(await provider.list(rig.site, asLongAsItTakes)).filter((one) => one.token === order.token)
    assert.deepEqual(
      found.map(({ token, workload, attempt }) => ({ token, workload, attempt })),
      [{ token: order.token, workload: 'w-tagged', attempt: 3 }],
    )
    await gone(provider, order)
  })

  it('a gang is whole: every rank is there, and all of them come to run', async (rig) => {
    const order = running(rig, { ranks: 3 })
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    const seen = await until(rig.provider, order, (one) => one.ranks.every((rank) => rank.state === 'running'))
    assert.deepEqual(
      seen.ranks.map((rank) => rank.rank),
      [0, 1, 2],
    )
    for (const rank of seen.ranks) assert.ok(rank.startedAt !== null && rank.endedAt === null && rank.exitCode === null)
  })
}

function describeRetire(it: It): void {
  it('a retired gang goes, and then neither get nor list knows it', async (rig) => {
    const order = running(rig, { ranks: 2 })
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    await gone(rig.provider, order)
    assert.equal(valueOf(await rig.provider.get(handleOf(order), asLongAsItTakes)), null)
    assert.deepEqual(await tokens(rig.provider, rig.site), [])
  })

  it('a rank that ignores SIGTERM is killed when its grace is over', async (rig) => {
    const order = rig.order()
    rig.script(order, [{ until: 'killed' }])
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    await until(rig.provider, order, (one) => one.ranks[0]?.state === 'running')
    await gone(rig.provider, order, 100)
  })

  it('retiring what never was, or is gone already, is gone', async (rig) => {
    const order = rig.order()
    assert.equal(valueOf(await rig.provider.retire(handleOf(order), 0, asLongAsItTakes)), 'gone')
    valueOf(await rig.provider.launch(running(rig), asLongAsItTakes))
    assert.equal(valueOf(await rig.provider.retire(handleOf(order), 0, asLongAsItTakes)), 'gone')
  })

  it('retiring twice at once is the same as once, and leaves the others alone', async (rig) => {
    const [order, other] = [running(rig), running(rig)]
    for (const one of [order, other]) valueOf(await rig.provider.launch(one, asLongAsItTakes))
    await Promise.all([gone(rig.provider, order), gone(rig.provider, order)])
    assert.deepEqual(await tokens(rig.provider, rig.site), [other.token])
  })

  it('a gang is retired by a provider that has lost all memory of it', async (rig) => {
    const order = running(rig)
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    const provider = await rig.reopen()
    await gone(provider, order)
    assert.deepEqual(await tokens(provider, rig.site), [])
  })
}

function describeSignals(it: It): void {
  it('a call whose signal is aborted soon ends with unreachable, and never throws', async (rig) => {
    const order = running(rig)
    for (const [call, outcome] of calls(rig.provider, order, AbortSignal.abort())) {
      const { fault } = faultOf(await soon(outcome, call))
      assert.deepEqual([call, fault.kind, fault.retry], [call, 'unreachable', 'later'])
    }
  })
}

function describeExits(it: It): void {
  const exits: [Program['until'], number][] = [
    [0, 0],
    [7, 7],
    [255, 255],
    ['SIGKILL', 137],
    ['SIGTERM', 143],
    ['SIGSEGV', 139],
  ]
  for (const [ends, code] of exits)
    it(`a rank that ends with ${ends} is shown as exited with exactly ${code}`, async (rig) => {
      const order = rig.order()
      rig.script(order, [{ until: ends }])
      valueOf(await rig.provider.launch(order, asLongAsItTakes))
      const seen = await until(rig.provider, order, ended)
      const rank = seen.ranks[0]
      assert.deepEqual([rank?.state, rank?.exitCode], ['exited', code])
      assert.ok((rank?.endedAt ?? 0) >= (rank?.startedAt ?? Infinity))
    })

  it('each rank has its own exit code, and a provider without memory still shows it', async (rig) => {
    const order = rig.order({ ranks: 3 })
    rig.script(order, [{ until: 0 }, { until: 3 }, { until: 255 }])
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    await until(rig.provider, order, ended)
    const provider = await rig.reopen()
    const seen = valueOf(await provider.get(handleOf(order), asLongAsItTakes))
    assert.deepEqual(
      seen?.ranks.map((rank) => rank.exitCode),
      [0, 3, 255],
    )
    await gone(provider, order)
  })
}

function describeLogs(it: It): void {
  it('the log of a rank is read from any offset, whole, in parts, and past its end', async (rig) => {
    const order = rig.order({ ranks: 2 })
    rig.script(order, [
      { prints: ['first', 'second'], until: 0 },
      { prints: ['other'], until: 0 },
    ])
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    await until(rig.provider, order, ended)
    const read = async (rank: number, from: number, most = 65_536) => {
      const chunk = valueOf(await rig.provider.logs(handleOf(order), { rank, from, most }, asLongAsItTakes))
      return { ...chunk, bytes: Buffer.from(chunk.bytes).toString() }
    }
    await poll('the end of the log', async () => (await read(0, 0)).end && (await read(1, 0)).end)
    assert.deepEqual(await read(0, 0), { from: 0, bytes: 'first\nsecond\n', end: true })
    assert.deepEqual(await read(1, 0), { from: 0, bytes: 'other\n', end: true })
    assert.deepEqual(await read(0, 6), { from: 6, bytes: 'second\n', end: true })
    assert.deepEqual(await read(0, 2, 5), { from: 2, bytes: 'rst\ns', end: false })
    assert.deepEqual(await read(0, 13), { from: 13, bytes: '', end: true })
    assert.deepEqual(await read(0, 500), { from: 500, bytes: '', end: true })
  })

  it('the log of a running rank has no end yet', async (rig) => {
    const order = rig.order()
    rig.script(order, [{ prints: ['hello'], until: 'told' }])
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    const read = async (from: number) =>
      valueOf(await rig.provider.logs(handleOf(order), { rank: 0, from, most: 100 }, asLongAsItTakes))
    await poll('the first line', async () => (await read(0)).bytes.length === 6)
    assert.deepEqual([(await read(0)).end, (await read(6)).end, (await read(6)).bytes.length], [false, false, 0])
  })
}

function describeReach(it: It): void {
  it('a site that does not answer is unreachable, never empty, and has everything when it is back', async (rig) => {
    const order = running(rig)
    valueOf(await rig.provider.launch(order, asLongAsItTakes))
    await rig.cut?.()
    for (const [call, outcome] of calls(rig.provider, order, AbortSignal.timeout(1_000))) {
      const { fault } = faultOf(await soon(outcome, call))
      assert.deepEqual([call, fault.kind, fault.retry], [call, 'unreachable', 'later'])
    }
    await rig.restore?.()
    assert.equal(valueOf(await rig.provider.get(handleOf(order), asLongAsItTakes))?.token, order.token)
    assert.deepEqual(await tokens(rig.provider, rig.site), [order.token])
  })

  it('get gives null only when the site answers and does not know it', async (rig) => {
    const unknown = handleOf(rig.order())
    assert.equal(valueOf(await rig.provider.get(unknown, asLongAsItTakes)), null)
    await rig.cut?.()
    faultOf(await soon(rig.provider.get(unknown, AbortSignal.timeout(1_000)), 'get'))
    await rig.restore?.()
    assert.equal(valueOf(await rig.provider.get(unknown, asLongAsItTakes)), null)
  })
}

function describeCapacity(it: It): void {
  it('a gang that does not fit whole is refused for want of capacity, and leaves nothing', async (rig) => {
    const order = rig.tooMuch?.() ?? assert.fail('a rig without tooMuch has to say so in `lacks`')
    const { fault } = faultOf(await rig.provider.launch(order, asLongAsItTakes))
    assert.deepEqual([fault.kind, fault.retry], ['no-capacity', 'elsewhere'])
    assert.deepEqual(await tokens(rig.provider, rig.site), [])
    assert.equal(valueOf(await rig.provider.retire(handleOf(order), 0, asLongAsItTakes)), 'gone')
  })
}

const lacking = (what: string) => assert.fail(`a rig without ${what} has to say so in \`lacks\``)

/** What only some providers tell. */
function describeTold(it: It, { notice, causes, retryAfter }: Lacks): void {
  if (!notice)
    it('notice that a node goes is shown from then on, with one and the same time, while it still runs', async (rig) => {
      const order = running(rig)
      valueOf(await rig.provider.launch(order, asLongAsItTakes))
      await theNoticeStands(rig.provider, order, () => (rig.notice ? rig.notice(order) : lacking('notice')))
    })
  if (!causes)
    it('what went wrong with a rank is told by its kind', async (rig) => {
      const { order, kind } = (await rig.hindered?.()) ?? lacking('hindered')
      valueOf(await rig.provider.launch(order, asLongAsItTakes))
      await theCauseIsTold(rig.provider, order, kind)
    })
  if (!retryAfter)
    it('a site that asks to be called again later says when', async (rig) => {
      await (rig.busy ? rig.busy() : lacking('busy'))
      await theTimeIsTold(rig.provider, rig.site)
    })
}

/** Every call that asks a site, with what it asks. Lazily, so that they do not disturb one another. */
function* calls(
  provider: Provider,
  order: CredentialedOrder,
  signal: AbortSignal,
): Generator<[string, Promise<Outcome<unknown>>]> {
  yield ['offers', provider.offers(order.site, signal)]
  yield ['launch', provider.launch(order, signal)]
  yield ['get', provider.get(handleOf(order), signal)]
  yield ['list', provider.list(order.site, signal)]
  yield ['retire', provider.retire(handleOf(order), 0, signal)]
  yield ['logs', provider.logs(handleOf(order), { rank: 0, from: 0, most: 100 }, signal)]
  if (provider.abilities.inventory) yield ['inventory', provider.abilities.inventory(order.site, signal)]
  if (provider.abilities.watch) yield ['watch', provider.abilities.watch(order.site, null, signal)]
}

/** An order whose ranks run until they are told to end. */
function running(rig: Rig, changes?: Parameters<Rig['order']>[0]): CredentialedOrder {
  const order = rig.order(changes)
  rig.script(
    order,
    order.ranks.map(() => ({ until: 'told' })),
  )
  return order
}

function describeWatch(it: It, { cut }: Lacks): void {
  it('a watch ends with another mark when a gang comes, changes and goes, and with none while nothing happens', (rig) =>
    changesAreTold(rig.provider, running(rig), rig.site))

  it('what happened between a mark and the watch that waits for the next one is told at once', (rig) =>
    nothingIsMissed(rig.provider, running(rig), rig.site))

  it('to a provider that has lost all memory an old mark is no mark of now', (rig) =>
    theForgetfulAreTold(rig.provider, rig.reopen, rig.site))

  if (!cut) it('the watch of a site that does not answer any more ends with unreachable', (rig) => cutsAreTold(rig))
}
