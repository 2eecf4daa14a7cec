import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { callMain, openHouse, type House } from './captured.ts'

// What `site` refuses without any cluster; with real ones it is tried in test/kubernetes and test/slurm.

let house: House
before(async () => {
  house = await openHouse()
  writeFileSync(join(house.home, 'list.yaml'), '- $1/h\n')
  writeFileSync(join(house.home, 'odd.yaml'), '8xH100: a lot\n')
})
after(() => house.close())

async function refused(argv: string[], code: number, more: Record<string, string> = {}): Promise<string> {
  const answer = await callMain(['site', ...argv], { env: { ...house.env, ...more }, cwd: house.home })
  assert.equal(answer.code, code, answer.stderr)
  assert.equal(answer.stdout, '')
  return answer.stderr
}

test('a provider without clusters is not joined by a command', async () => {
  assert.match(
    await refused(['add', 'local'], 2),
    /only those of kubernetes, coreweave, slurm\.\nnext: declare it in sites\.yaml/,
  )
  assert.match(await refused(['add', 'kubernets'], 2), /provider/)
})

test('a file of prices is read here, and what is wrong with it is told', async () => {
  assert.match(await refused(prices('none.yaml'), 2), /none\.yaml is no file of prices: ENOENT.*\nnext: write one line/)
  assert.match(await refused(prices('list.yaml'), 2), /it holds no names with prices/)
  assert.match(await refused(prices('odd.yaml'), 2), /prices\.8xH100: "a lot" is not an amount of money/)
})

test('several kubeconfigs are no site, and a kubeconfig that is missing is told with its path', async () => {
  const both = await refused(['add', 'kubernetes'], 2, { KUBECONFIG: '/a:/b' })
  assert.match(both, /KUBECONFIG names several files.*\nnext: isobar site add kubernetes --kubeconfig \/a\n$/)
  const none = await refused(['add', 'kubernetes'], 2, { KUBECONFIG: 'nowhere' })
  assert.ok(none.includes(`the kubeconfig ${join(house.home, 'nowhere')} cannot be read`), none)
})

test('a field that the provider does not have is refused', async () => {
  assert.match(await refused(['add', 'kubernetes', '--partition', 'main'], 2), /Unrecognized key: "partition"/)
})

test('labels are named by the levels of the topology that there are', async () => {
  assert.match(await refused(topology('blok=example.com/rack'), 2), /topology: Unrecognized key: "blok"/)
  assert.match(await refused(topology('block=', 'zone=hall'), 2), /topology\.block\.0: Too small/)
})

test('only what a command joined is left by one', async () => {
  assert.match(await refused(['leave', 'here'], 2), /"here" is no site: its name is like kubernetes\/east/)
  assert.match(await refused(['leave', 'local/none'], 3), /There is no site local\/none/)
  const both = await refused(['leave', 'local/none', '--gone', '--stop'], 2)
  assert.match(both, /nothing is there to wait for or to stop\nnext: isobar site leave local\/none --gone/)
  const declared = await refused(['leave', 'local/here'], 5)
  assert.match(declared, /a file of the control plane declares it\.\nnext: remove it from sites\.yaml/)
})

const prices = (file: string): string[] => ['add', 'kubernetes', '--prices', file]
const topology = (...labels: string[]): string[] => [
  'add',
  'kubernetes',
  ...labels.flatMap((label) => ['--topology', label]),
]
