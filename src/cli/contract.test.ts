import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { parseAllDocuments } from 'yaml'

import { DoctorView, ServerView } from '#api/server-views.ts'
import {
  CostView,
  EventPage,
  OfferList,
  PlanView,
  SiteList,
  SubmittedView,
  WhyView,
  WorkloadDetail,
  WorkloadPage,
} from '#api/views.ts'
import { ProjectList, ProjectView } from '#api/project-views.ts'
import { callMain, openHouse, type Captured, type House } from './captured.ts'
import { tree } from './tree.ts'

// The promises to scripts, on the real server: stdout is data only, exit codes mean what they say, nothing is asked.

let house: House
const isobar = (...argv: string[]): Promise<Captured> => house.isobar(...argv)

// No site has so many CPUs: it stays in the queue.
const waiting = (name: string): string =>
  `kind: job\nname: ${name}\nresources: { cpus: 5000 }\nrun: echo hello\nlabels: { team: a }\n`

/** `run` refuses what can never start; who applies the plan of it means it. */
async function submit(name: string): Promise<Captured> {
  const { stdout } = await isobar('plan', `${name}.yaml`, '-o', 'name')
  return isobar('apply', stdout.trim())
}

const fleet = 'sites: [{ provider: local, name: here, nodes: [{ shape: small, count: 2, accelerators: 8 }] }]\n'

const manifest = `apiVersion: batch/v1
kind: Job
metadata: { name: hello, namespace: team }
spec: { template: { spec: { containers: [{ name: a, image: busybox, command: [echo, hello] }] } } }
`

before(async () => {
  house = await openHouse()
  writeFileSync(join(house.home, 'fleet.yaml'), fleet)
  writeFileSync(join(house.home, 'jobs.csv'), 'arrival,duration,gpus\n0,1h,4\n')
  for (const name of ['first', 'second', 'third']) writeFileSync(join(house.home, `${name}.yaml`), waiting(name))
  writeFileSync(join(house.home, 'object.yaml'), manifest)
  writeFileSync(join(house.home, 'quick.yaml'), 'kind: job\nname: quick\nrun: echo hello\n')
  for (const name of ['first', 'second']) {
    const { code, stdout, stderr } = await submit(name)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^w-[0-9a-z]{16}\n$/)
  }
})

after(() => house.close())

/** Commands that give data and change nothing, with what their JSON is. */
const reads: [string[], { parse(value: unknown): unknown } | undefined][] = [
  [['ps'], WorkloadPage.omit({ nextPageToken: true })],
  [['ps', '--all'], WorkloadPage.omit({ nextPageToken: true })],
  [['describe', 'first'], WorkloadDetail],
  [['why', 'first'], WhyView],
  [['events'], EventPage],
  [['cost'], CostView],
  [['offers'], OfferList],
  [['sites'], SiteList],
  [['projects'], ProjectList],
  [['projects', 'list'], ProjectList],
  [['projects', 'show', 'default'], ProjectView],
  [['doctor'], DoctorView],
  [['secret', 'list'], undefined],
  [['server', 'status'], ServerView],
  [['server', 'start'], ServerView],
  [['version'], undefined],
  [['api', 'v1/workloads'], WorkloadPage],
  [['api', 'get', 'v1/projects/default'], ProjectView],
  [['validate', 'first.yaml', 'second.yaml'], undefined],
  [['plan', 'first.yaml'], PlanView],
  [['simulate', 'fleet.yaml', 'jobs.csv'], undefined],
  [['import', 'object.yaml'], undefined],
]

test('stdout is data and nothing else, in every format of every command that reads', async () => {
  for (const [argv, shape] of reads) {
    const json = await isobar(...argv, '-o', 'json')
    const value: unknown = JSON.parse(json.stdout)
    if (shape) assert.doesNotThrow(() => shape.parse(value), argv.join(' '))
    for (const line of (await isobar(...argv, '-o', 'ndjson')).stdout.trimEnd().split('\n'))
      if (line) assert.doesNotThrow(() => JSON.parse(line), argv.join(' '))
    const yaml = await isobar(...argv, '-o', 'yaml')
    for (const document of parseAllDocuments(yaml.stdout)) assert.deepEqual(document.errors, [])
    assert.doesNotMatch((await isobar(...argv, '-o', 'name')).stdout, / |next:/, argv.join(' '))
    const table = await isobar(...argv)
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(table.stdout + table.stderr, /\u001B|^(next|error|warning):.*\n(?=.*stdout)/, argv.join(' '))
  }
})

test('every command that gives data is held to that', () => {
  const changing = [
    ...'run apply stop hold release priority wait init logs'.split(' '),
    'projects set',
    'secret set',
    'secret rm',
  ]
  const covered = new Set([...reads.map(([argv]) => argv.join(' ')), ...changing])
  for (const { name, data } of tree)
    if (data && !/^(db|site) /.test(name) && name !== 'server stop')
      assert.ok(
        [...covered].some((one) => one === name || one.startsWith(`${name} `)),
        name,
      )
})

test('ps shows what waits, and why', async () => {
  const { stdout } = await isobar('ps')
  assert.match(stdout, /^NAME +ID +KIND +STATE +READY +SITE +PRICE\/H +SPENT +AGE\n/)
  assert.match(stdout, /^first +w-\w+ +job +queued +0\/1/m)
  assert.equal((await isobar('ps', '-o', 'name', '--label', 'team=a')).stdout, 'second\nfirst\n')
  assert.equal((await isobar('ps', '--label', 'team=b')).stdout, '')
  assert.equal((await isobar('ps', '-o', "jsonpath={.items[*].labels['team']}")).stdout, 'a a\n'.replace(' ', '\n'))
  assert.equal((await isobar('ps', '--limit', '1', '-o', 'name')).stdout, 'second\n')
  assert.equal((await isobar('ps', '--order-by', 'name', '-o', 'name')).stdout, 'first\nsecond\n')
  assert.equal((await isobar('ps', '--order-by', 'age')).code, 2)
})

test('a plan that nothing can hold exits with 6 and names what helps', async () => {
  const { code, stderr } = await isobar('plan', 'first.yaml')
  assert.equal(code, 6)
  assert.match(stderr, /^next: /m)
})

test('changes give what they changed as data', async () => {
  const held = await isobar('hold', 'first', '-o', 'json')
  assert.equal(held.code, 0, held.stderr)
  WorkloadPage.omit({ nextPageToken: true }).parse(JSON.parse(held.stdout))
  assert.match((await isobar('release', 'first', '-o', 'name')).stdout, /^first\n$/)
  assert.equal((await isobar('priority', 'first', '7', '-o', 'jsonpath=.items[0].priority')).stdout, '7\n')
  assert.equal((await isobar('priority', 'first', '-3', '-o', 'jsonpath=.items[0].priority')).stdout, '-3\n')
  const high = await isobar('priority', 'first', '1001')
  assert.equal(high.code, 2)
  assert.match(high.stderr, /from -1000 to 1000; higher goes first\.\nnext: isobar priority first 10\n$/)
  const project = await isobar('projects', 'set', 'research', '--budget', '$5', '--cpus', '8', '-o', 'json')
  ProjectList.parse(JSON.parse(project.stdout))
  const changed = await isobar('projects', 'set', 'research', '--cpus', 'none', '--nodes', '3', '-o', 'json')
  const [research] = ProjectList.parse(JSON.parse(changed.stdout)).items
  assert.deepEqual([research?.quota, research?.budget?.text], [{ nodes: 3 }, '$5.00'])
})

test('of limits of a project that are set at once each is kept, or refused with 5', async () => {
  const limits = ['--cpus', '--accelerators', '--nodes']
  for (let round = 0; round < 4; round++) {
    const name = `crowd-${round}`
    assert.equal((await isobar('projects', 'set', name, '--weight', '2')).code, 0)
    const ends = await Promise.all(limits.map((limit) => isobar('projects', 'set', name, limit, '3')))
    const { quota } = JSON.parse((await isobar('projects', 'show', name, '-o', 'json')).stdout)
    const kept = ends.filter(({ code }) => code === 0)
    assert.equal(Object.keys(quota).length, kept.length)
    assert.ok(kept.length > 0)
    for (const { code, stderr } of ends.filter((end) => !kept.includes(end))) {
      assert.equal(code, 5)
      assert.match(stderr, /^error: Project "crowd-\d" was changed since[^\n]+\nnext: isobar projects show crowd-\d\n$/)
    }
  }
})

test('what is shown of a project is a file that makes it again, and a wrong one is told with its place', async () => {
  const file = join(house.home, 'projects.yaml')
  const text = 'name: vision\nquota:\n  cpus: 1.5\n  nodes: 2\nbudget: $5.00\n'
  writeFileSync(file, text)
  assert.equal((await isobar('projects', 'set', '--file', 'projects.yaml', '-o', 'name')).stdout, 'vision\n')
  assert.equal((await isobar('projects', 'show', 'vision')).stdout, text)
  assert.equal((await isobar('projects', 'show', 'nobody')).code, 3)
  // A parent may stand behind what is part of it; what would close a circle is refused.
  writeFileSync(file, `name: video\nparent: vision\n---\n${text}`)
  assert.equal((await isobar('projects', 'set', '--file', 'projects.yaml', '-o', 'name')).stdout, 'vision\nvideo\n')
  const circle = await isobar('projects', 'set', 'vision', '--parent', 'video')
  assert.deepEqual([circle.code, /video is part of vision is part of video/.test(circle.stderr)], [5, true])
  writeFileSync(file, `${text}---\nname: b\nquotas: {}\n`)
  const { code, stderr } = await isobar('projects', 'set', '--file', 'projects.yaml')
  assert.equal(code, 2)
  assert.match(stderr, /projects\.yaml:8:1: quotas: .*\n +quotas: \{\}\n +\^\nfix: did you mean quota\?/)
  assert.match((await isobar('projects', 'set', 'vision', '--file', 'projects.yaml')).stderr, /vision stands beside it/)
  assert.match((await isobar('projects', 'set', '--weight', '2')).stderr, /by its name, or from a file/)
})

test('exit codes: 2 for what is not right, with the place in the file', async () => {
  writeFileSync(join(house.home, 'bad.yaml'), 'kind: job\nname: bad\nnods: 4\nrun: echo\n')
  for (const argv of [
    ['validate', 'bad.yaml'],
    ['run', 'bad.yaml'],
    ['plan', 'bad.yaml'],
  ]) {
    const { code, stdout, stderr } = await isobar(...argv)
    assert.equal(code, 2, argv.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, /bad\.yaml:3:1/)
    assert.match(stderr, /\^/)
    assert.match(stderr, /nodes/)
    assert.match(stderr, /\nnext: isobar validate bad\.yaml\n$/)
  }
  const named = await house.isobar('secret', 'set', 'no name', '--file', 'bad.yaml')
  assert.deepEqual([named.code, named.stderr.trimEnd().split('\n').at(-1)], [2, 'next: isobar secret set --help'])
  const absent = await isobar('run', 'frst.yaml')
  assert.equal(absent.code, 2)
  assert.match(absent.stderr, /Did you mean first\.yaml\?/)
})

test('beside JSON an error is a line of JSON that says what to do, and stdout stays data', async () => {
  const told = async (...argv: string[]) => {
    const { code, stderr } = await isobar(...argv)
    const { message, status, reason, next, exitCode, problems } = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '')
    assert.equal(exitCode, code, message)
    return { status, reason, next, problems }
  }
  const gone = await told('describe', 'nothing', '-o', 'json')
  assert.deepEqual(
    [gone.status, gone.reason, gone.next],
    ['error', 'not-found', [{ command: 'isobar ps --all', when: '' }]],
  )
  assert.equal((await told('ps', '--output=ndjson', '--nothing')).reason, 'usage')
  const wrong = await told('validate', 'bad.yaml', '-o', 'json')
  assert.deepEqual(
    [wrong.reason, wrong.problems[0].line, wrong.problems[0].fix],
    ['invalid-spec', 3, 'did you mean nodes?'],
  )
  assert.match((await isobar('describe', 'nothing', '-o', 'name')).stderr, /^error: /)
  const { url } = JSON.parse((await isobar('server', 'status', '-o', 'json')).stdout)
  const stranger = { ...house.env, ISOBAR_SERVER: url, ISOBAR_TOKEN: 'wrong' }
  const denied = JSON.parse((await callMain(['ps', '-oyaml'], { env: stranger })).stderr)
  assert.deepEqual([denied.status, denied.userActionRequired, denied.exitCode], ['action_required', true, 4])
  assert.deepEqual(denied.next[1], { command: 'unset ISOBAR_TOKEN', when: 'for the server of this machine' })
})

test('exit codes: 3 for what is not there', async () => {
  for (const argv of [
    ['describe', 'frist'],
    ['logs', 'nothing'],
    ['why', 'nothing'],
    ['stop', 'nothing'],
    ['wait', 'nothing'],
    ['apply', 'p-0000000000000000'],
    ['secret', 'rm', 'NOTHING'],
    ['api', 'get', 'v1/nothing'],
  ]) {
    const { code, stdout, stderr } = await isobar(...argv)
    assert.equal(code, 3, `${argv.join(' ')}: ${stderr}`)
    assert.equal(stdout, '')
    assert.match(stderr, /(^|\n)error: /)
    assert.match(stderr, /\nnext: .*\n$/, 'the fix comes last')
  }
  assert.match((await isobar('describe', 'frist')).stderr, /did you mean "first"\?/)
})

test('exit codes: 4 for a wrong token, 1 for a server that is not there, each with its fix', async () => {
  const url = (await isobar('server', 'status', '-o', 'name')).stdout.trim()
  const wrong = await callMain(['ps'], { env: { ISOBAR_SERVER: url, ISOBAR_TOKEN: 'wrong' } })
  assert.equal(wrong.code, 4)
  const gone = await callMain(['ps'], { env: { ISOBAR_SERVER: 'http://127.0.0.1:1', ISOBAR_TOKEN: 'x' } })
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, /127\.0\.0\.1:1 does not answer\n.*ECONNREFUSED[^\n]*\nnext: .*unset ISOBAR_SERVER\n$/)
})

test('a server elsewhere of another version is told once, and data stays data', async () => {
  const { code, stdout, stderr } = await sitesOf('{"items":[]}', '-o', 'json')
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), { items: [] })
  assert.match(
    stderr,
    /^warning: the server is version 9\.9\.9, .*next: use version 9\.9\.9 here, or update the server\n$/,
  )
  assert.equal((await house.isobar('api', 'get', 'v1/server')).stderr, '')
})

test('nodes that are kept for a gang that lost others are shown, where there are any', async () => {
  const site = {
    site: 'local/a',
    jurisdictions: [],
    patienceMs: 1000,
    reach: 'reachable',
    since: '2026-01-01T00:00:00Z',
  }
  const counts = { detail: '', nodes: 4, offers: 1, leases: 0 }
  const tableOf = async (...kept: number[]) =>
    (await sitesOf(JSON.stringify({ items: kept.map((nodes) => ({ ...site, ...counts, kept: nodes })) }))).stdout
  assert.match(await tableOf(0, 3), /^SITE .*LEASES +KEPT +PATIENCE.*\n.* 0 +0 +1s.*\n.* 0 +3  *1s/)
  assert.doesNotMatch(await tableOf(0), /KEPT/)
})

/** What `isobar sites` says where a server of another version answers this. */
async function sitesOf(answer: string, ...options: string[]) {
  const other = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'isobar-version': '9.9.9' }).end(answer)
  })
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const said = await callMain(['sites', ...options], { env: { ISOBAR_SERVER: url } })
  other.close()
  return said
}

test('exit codes: 8 when the time is up, and the workload goes on', async () => {
  const { code, stdout, stderr } = await isobar('wait', 'first', '--for', 'running', '--timeout', '100ms')
  assert.equal(code, 8, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /next: isobar why w-/)
})

test('exit codes: 5 for what is not so any more', async () => {
  const { stdout } = await submit('third')
  const id = stdout.trim()
  const stopped = await isobar('stop', id, '--wait', '-o', 'json')
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.equal(JSON.parse(stopped.stdout).items[0].state, 'stopped', 'who waits is shown the end')
  assert.equal((await isobar('release', id)).code, 5)
  const ended = await isobar('wait', id, '-o', 'json')
  assert.equal(ended.code, 0)
  assert.equal(WorkloadDetail.parse(JSON.parse(ended.stdout)).state, 'stopped')
  assert.equal((await isobar('wait', id, '--for', 'running')).code, 1)
  assert.notEqual((await isobar('wait', id, '--exit-code', 'remote')).code, 0)
})

test('a name and variables of the command line go into the spec', async () => {
  const { stdout } = await isobar('run', 'quick.yaml', '--name', 'named', '-e', 'A=b=c', '-d', '-o', 'json')
  const [workload] = SubmittedView.parse(JSON.parse(stdout)).workloads
  assert.equal(workload?.name, 'named')
  const named = await isobar('describe', 'named', '-o', 'jsonpath=.spec.env.A')
  assert.equal(named.stdout, 'b=c\n')
  await isobar('stop', 'named')
})

test('secrets come from standard input or a file, and are never shown', async () => {
  const set = await callMain(['secret', 'set', 'TOKEN'], { env: house.env, input: 'hush-hush\n' })
  assert.equal(set.code, 0, set.stderr)
  writeFileSync(join(house.home, 'token.txt'), 'other')
  assert.equal((await isobar('secret', 'set', 'OTHER', '--file', 'token.txt')).code, 0)
  const list = await isobar('secret', 'list', '-o', 'name')
  assert.equal(list.stdout, 'OTHER\nTOKEN\n')
  assert.doesNotMatch(JSON.stringify([set, await isobar('secret', 'list', '-o', 'json')]), /hush/)
  assert.equal((await callMain(['secret', 'set', 'TOKEN'], { env: house.env })).code, 2)
  assert.equal((await isobar('secret', 'set', 'TOKEN', 'in-argv')).code, 2)
  assert.equal((await isobar('secret', 'rm', 'TOKEN', '-o', 'name')).stdout, 'TOKEN\n')
  const again = await isobar('secret', 'set', 'TOKEN', '--file', 'token.txt', '-o', 'json')
  assert.deepEqual(JSON.parse(again.stdout), { name: 'TOKEN', project: 'default' })
})

test('the API can be called as it is', async () => {
  const got = await isobar('api', 'get', '/v1/workloads/first')
  assert.equal(WorkloadDetail.parse(JSON.parse(got.stdout)).name, 'first')
  assert.equal((await isobar('api', '/v1/projects')).code, 0)
  assert.match((await isobar('api', '/v1/projects', '-o', 'jsonpath=.items[*].name')).stdout, /^default$/m)
  assert.equal((await isobar('api', '/docs', '-o', 'json')).code, 2)
  const put = await callMain(['api', 'put', 'v1/workloads/first/priority'], { env: house.env, input: '{"priority":9}' })
  assert.equal(JSON.parse(put.stdout).priority, 9)
  assert.equal(
    (await callMain(['api', 'put', 'v1/workloads/first/priority'], { env: house.env, input: '{"x":9}' })).code,
    2,
  )
  assert.equal((await isobar('api', 'fetch', 'v1/workloads')).code, 2)
})

test('the API can be called with headers, and tells those of its answer', async () => {
  const { stdout } = await isobar('api', '-i', 'v1/projects/default')
  assert.match(stdout, /^HTTP\/1\.1 200 OK\n[^]*\n\n\{/)
  const [, tag = ''] = /^etag: (.+)$/im.exec(stdout) ?? []
  const put = (weight: number) =>
    callMain(['api', 'put', 'v1/projects/default', '-H', `If-Match: ${tag}`], {
      env: house.env,
      input: JSON.stringify({ weight }),
    })
  assert.equal((await put(2)).code, 0)
  assert.equal((await put(3)).code, 5, 'it was changed since')
  assert.equal((await isobar('api', 'v1/projects', '-H', 'nonsense')).code, 2)
  assert.equal((await isobar('api', 'v1/projects', '-H', 'Authorization: Bearer x')).code, 2)
  assert.equal((await isobar('api', '-i', 'v1/projects', '-o', 'json')).code, 2)
})

test('what a token or key is stays with its owner', () => {
  for (const name of ['token', 'server.json']) {
    assert.equal(statSync(join(house.home, name)).mode & 0o077, 0, name)
    assert.ok(readFileSync(join(house.home, name)).length > 0)
  }
})
