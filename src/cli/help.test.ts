import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'

import { serverOptions } from '#server/options.ts'

import { asCalled, firstWords } from './as-called.ts'
import { groups } from './call.ts'
import { completionScript, shells } from './completion-script.ts'
import { callMain } from './captured.ts'
import { stalePages } from './generate-docs.ts'
import { tree } from './tree.ts'

const names = tree.filter(({ hidden }) => !hidden).map(({ name }) => name)

test('these are the commands; taking one away or renaming it breaks scripts', () => {
  assert.deepEqual(
    names,
    [
      ['run', 'plan', 'apply', 'validate', 'init', 'import'],
      ['ps', 'describe', 'logs', 'why', 'wait', 'events', 'simulate'],
      ['stop', 'hold', 'release', 'priority'],
      ['cost', 'offers', 'sites', 'projects list', 'projects show', 'projects set'],
      ['gateway', 'demo', 'doctor', 'site add', 'site leave', 'secret set', 'secret list', 'secret rm'],
      ['serve', 'server status', 'server start', 'server stop'],
      ['db status', 'db backup', 'db restore', 'db move'],
      ['api', 'completion', 'version'],
    ].flat(),
  )
})

test('every command has a group, a summary of one line and an example that calls it', () => {
  for (const { name, group, summary, examples, hidden } of tree) {
    assert.ok(groups.includes(group), name)
    assert.match(summary, /^[a-z][^\n]{5,110}[^.\n]$/, name)
    const first = name.split(' ')[0] ?? ''
    assert.ok(hidden || examples.some((example) => example.includes(`isobar ${first}`)), name)
  }
})

test('every command loads what it does', async () => {
  for (const { name, action } of tree) assert.equal(typeof (await action()), 'function', name)
})

test('help tells every command, its options and its examples, on stdout', async () => {
  const all = await callMain(['--help'])
  assert.equal(all.code, 0)
  assert.equal(all.stderr, '')
  for (const name of names) assert.match(all.stdout, new RegExp(`^  ${name.split(' ')[0]}\\b`, 'm'))
  for (const { name, options = [], examples } of tree) {
    const help = await callMain([...name.split(' '), '--help'])
    assert.equal(help.code, 0, name)
    for (const { flags } of options) assert.ok(help.stdout.includes(flags), `${name} ${flags}`)
    for (const example of examples) assert.ok(help.stdout.includes(example), `${name}: ${example}`)
    assert.equal((await callMain(['help', ...name.split(' ')])).stdout, help.stdout)
  }
})

test('isobar alone shows help', async () => {
  const { code, stdout } = await callMain([])
  assert.equal(code, 0)
  assert.match(stdout, /^Usage: isobar <command>/)
})

test('who calls it with npx is told commands with npx, but data stays as it is', async () => {
  const env = { npm_command: 'exec' }
  assert.match((await callMain(['ps', '--help'], { env })).stdout, /^Usage: npx isobar ps .*\n.*^ {2}npx isobar ps$/ms)
  assert.match((await callMain(['ps', '--al'], { env })).stderr, /next: npx isobar ps --help\n$/)
  assert.doesNotMatch((await callMain(['completion', 'bash'], { env })).stdout, /npx/)
  assert.equal(
    asCalled(env, 'isobar stop a or npx isobar ps; isobar is a name'),
    'npx isobar stop a or npx isobar ps; isobar is a name',
  )
  assert.equal(asCalled({}, 'isobar ps'), 'isobar ps')
  assert.deepEqual(new Set(firstWords.split(' ')), new Set([...tree.map(({ name }) => name.split(' ')[0]), 'help']))
})

test('topics are pages of help', async () => {
  assert.match((await callMain(['help', 'exit-codes'])).stdout, /130 +interrupted/)
  assert.match((await callMain(['help', 'environment'])).stdout, /ISOBAR_HOME/)
  assert.match((await callMain(['help', 'output'])).stdout, /jsonpath/)
})

test('what is misspelt is met with what was meant, exit code 2, and the fix last', async () => {
  const cases: [string[], RegExp, string][] = [
    [['descrbe'], /no command "descrbe"\nDid you mean describe\?/, 'isobar --help'],
    [['secret', 'lst'], /no command "lst"\nDid you mean list\?/, 'isobar secret --help'],
    [['ps', '--al'], /no option --al\nDid you mean --all\?/, 'isobar ps --help'],
    [['help', 'exit-code'], /Did you mean exit-codes\?/, 'isobar --help'],
    [['describe'], /missing required argument 'workload'/, 'isobar describe --help'],
    [['describe', 'a', 'b'], /too many arguments/, 'isobar describe --help'],
    [['wait', 'a', '--for', 'godot'], /Allowed choices are running, ready, ended/, 'isobar wait --help'],
    [['ps', '-o', 'xml'], /no output format "xml"/, 'isobar help output'],
    [['secret'], /what to do with "secret" is missing/, 'isobar secret --help'],
    [['run'], /nothing to run/, 'isobar run -- echo hello'],
    [['run', 'a.yaml', '--', 'b'], /cannot be run at once/, 'isobar run --help'],
    [['init', 'servce'], /Did you mean service\?/, 'isobar init service'],
    [['completion', 'tcsh'], /bash, zsh, fish/, 'isobar completion bash'],
  ]
  for (const [argv, what, next] of cases) {
    const { code, stdout, stderr } = await callMain(argv)
    assert.equal(code, 2, argv.join(' '))
    assert.equal(stdout, '', argv.join(' '))
    assert.match(stderr, what)
    assert.ok(stderr.endsWith(`\nnext: ${next}\n`), stderr)
    assert.doesNotMatch(stderr, /^ {4}at /m)
  }
})

test('serve has every option that the server has a flag for', () => {
  const flags = tree.find(({ name }) => name === 'serve')?.options?.map((option) => option.flags) ?? []
  const wanted = Object.values(serverOptions).flatMap((option) => ('flag' in option ? [option.flag] : []))
  assert.deepEqual(flags.toSorted(), wanted.toSorted())
})

test('the references of commands and configuration in docs/ are what the code says', () =>
  assert.deepEqual(stalePages(), [], 'make them again: npm run generate'))

const completing = (words: string[]): string =>
  `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _isobar; echo "\${COMPREPLY[@]}"`

test('completion scripts name every command, and their shells can read them', () => {
  for (const shell of shells) {
    const script = completionScript(shell, tree)
    for (const name of names) assert.ok(script.includes(name.split(' ')[0] ?? ''), `${shell} ${name}`)
    assert.ok(script.includes('isobar complete-workloads'), shell)
  }
  if (existsSync('/bin/bash')) {
    const script = completionScript('bash', tree)
    execFileSync('/bin/bash', ['-n'], { input: script })
    const complete = (...words: string[]) =>
      execFileSync('/bin/bash', ['-c', `${script}\nisobar() { echo train; }\n${completing(words)}`])
        .toString()
        .trim()
    assert.equal(complete('isobar', 'desc'), 'describe')
    assert.equal(complete('isobar', 'secret', 'l'), 'list')
    assert.equal(complete('isobar', 'secret', 'set', '--fi'), '--file')
    assert.equal(complete('isobar', 'logs', 't'), 'train')
    assert.equal(complete('isobar', 'wait', 'x', '--for', 're'), 'ready')
    assert.equal(complete('isobar', 'ps', '-o', 'js'), 'json jsonpath=')
    assert.equal(complete('isobar', 'run', 'exam'), '', 'names of files are for the shell itself')
    assert.equal(complete('isobar', 'help', 'exit'), 'exit-codes')
  }
})
