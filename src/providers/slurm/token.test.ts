import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import { SlurmConfig, slurmSites } from './config.ts'
import { createTokenFile, renewalOf } from './token.ts'

const kindOf = (outcome: Outcome<unknown>): string => (outcome.ok ? JSON.stringify(outcome.value) : outcome.fault.kind)

const tokenUntil = (ms: number, from?: number): string =>
  ['{}', JSON.stringify({ exp: ms / 1000, ...(from !== undefined && { iat: from / 1000 }) }), 'x']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')

test('a token is read again when its file changes, and one that ends is told before Slurm is asked', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-token-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'jwt')
  const { token: read, warning } = createTokenFile(file)
  assert.equal(kindOf(await read()), 'denied')
  const put = (text: string, at: number) => {
    writeFileSync(file, text)
    utimesSync(file, at, at)
  }
  const good = tokenUntil(Date.now() + 60_000)
  put(`SLURM_JWT=${good}\n`, 1)
  assert.deepEqual(await read(), { ok: true, value: good })
  put(tokenUntil(Date.now() + 2000), 2)
  assert.equal(kindOf(await read()), 'denied')
  put('no token', 3)
  assert.equal(kindOf(await read()), 'denied')
  assert.equal(await warning(), null, 'what has ended is told where it is asked for')
})

test('a token is renewed with less than half of its life left, by one call for all, and used to its end if that fails', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-token-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'slurm', 'jwt')
  const [early, late] = [tokenUntil(Date.now() + 4 * 60_000), tokenUntil(Date.now() + 10 * 60_000)]
  const none = fail('denied', 'later', 'scontrol token: no key')
  const answers = [succeed(early), none, succeed(late), none]
  const make = async () => answers.shift() ?? assert.fail('nobody is to ask again so soon')
  const anew = () => createTokenFile(file, { lifespanMs: 600_000, make }).token
  const first = anew()
  assert.deepEqual(await Promise.all([first(), first()]), [succeed(early), succeed(early)])
  const second = anew()
  assert.deepEqual([await second(), await second()], [succeed(early), succeed(early)], 'it lasts, though none was made')
  const third = anew()
  assert.deepEqual(await third(), succeed(early), 'nobody waits for the next while the last will do')
  while (readFileSync(file, 'utf8').trim() !== late) await immediate()
  assert.deepEqual([await third(), statSync(file).mode & 0o777], [succeed(late), 0o600])
  writeFileSync(file, tokenUntil(Date.now() - 1000))
  const ended = await anew()()
  assert.match(
    ended.ok ? '' : ended.fault.detail,
    /ended at .*was not to be had \(scontrol token: no key\); write a new one there: scontrol token/,
  )
  assert.equal(answers.length, 0)
})

test('who has a token that ends soon and is not renewed hears of it in time, and not of one that is meant to be short', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-token-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'jwt')
  const hour = 3_600_000
  /** Warned, of a token that lasts so long in all and so long from now? */
  const isWarned = async (life: number, left: number): Promise<boolean> => {
    writeFileSync(file, tokenUntil(Date.now() + left, Date.now() + left - life))
    return (await createTokenFile(file).warning()) !== null
  }
  assert.deepEqual([await isWarned(24 * hour, 3 * hour), await isWarned(24 * hour, 2 * hour)], [false, true])
  assert.deepEqual([await isWarned(hour, hour / 5), await isWarned(hour, hour / 7)], [false, true])
  assert.deepEqual([await isWarned(hour / 10, hour / 18), await isWarned(hour / 10, hour / 22)], [false, true])
  const ends = Date.now() + hour
  const old = tokenUntil(ends, ends - 24 * hour)
  writeFileSync(file, old)
  const tell = async (answer: Outcome<string>) => {
    const { token, warning } = createTokenFile(file, { make: async () => answer })
    assert.deepEqual(await token(), succeed(old), 'half of its life is over, and it lasts')
    await immediate()
    return warning()
  }
  const told = await tell(fail('denied', 'later', 'vault: sealed'))
  const when = new Date(Math.floor(ends)).toISOString()
  assert.equal(
    told,
    `the token in ${file} ends at ${when}, and a new one was not to be had (vault: sealed); write a new one there: scontrol token lifespan=86400 > ${file}`,
  )
  assert.match((await tell(succeed(old))) ?? '', /, and what makes tokens printed none that ends later; write a new/)
  assert.equal(await tell(succeed(tokenUntil(Date.now() + 24 * hour))), null)
})

/** A program that prints so. */
const print = (text: string) => [process.execPath, '-e', `process.stdout.write(${JSON.stringify(text)})`]
/** What a site with such a program has as its token, or why it has none. */
const made = async (tokenCommand: string[]) => {
  const declared = { name: 'w', partition: 'main', rest: 'http://127.0.0.1:1', tokenCommand }
  const [site = assert.fail()] = slurmSites(SlurmConfig.parse({ sites: [declared] }), '/h')
  const outcome = await renewalOf(site)?.make()
  return outcome?.ok ? outcome.value : (outcome?.fault.detail ?? '')
}

test('a program that is to make tokens is told what is wrong with what it printed, and a token is in no fault', async () => {
  const good = tokenUntil(Date.now() + 60_000)
  for (const text of [good, `SLURM_JWT=${good}\n`, `a word before\nSLURM_JWT=${good}\n`])
    assert.equal(await made(print(text)), good)
  const by = process.execPath
  assert.equal(await made(print('nothing of use')), `${by} printed no token`)
  const ended = Date.now() - 1000
  assert.equal(
    await made(print(tokenUntil(ended))),
    `${by} printed a token that ended at ${new Date(ended).toISOString()}`,
  )
  assert.equal(await made(['no-such-program']), 'there is no no-such-program on this machine')
  const failing = `console.log(${JSON.stringify(good)}); console.error('sealed', ${JSON.stringify(`eyJ${good}`)}); process.exitCode = 3`
  assert.equal(await made([by, '-e', failing]), `${by}: sealed …`)
  assert.equal(await made([by, '-e', 'process.exit(3)']), `${by}: it ended with 3`)
  assert.equal(await made([by, '-e', 'console.log("x".repeat(2e6))']), `${by}: it printed more than 1048576 bytes`)
})
