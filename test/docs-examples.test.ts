import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import type { CommandSpec } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { callMain } from '#cli/captured.ts'
import { buildProgram, splitRest } from '#cli/program.ts'
import { tree } from '#cli/tree.ts'
import { readProjects } from '#model/project-document.ts'
import { renderProblems } from '#model/spec/problem.ts'
import { readSpecs } from '#model/spec/read.ts'
import { fieldsAt, jsonSchemaOf, kinds } from '#model/spec/schema-walk.ts'
import { parseSites } from '#server/sites.ts'
import { readFleet } from '#simulator/scenario/fleet.ts'
import { readScenario } from '#simulator/scenario/scenario.ts'
import { inputOf, readInput } from '#simulator/traces/input.ts'

// What the documentation tells people to type is read by what would read it when they do.

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: root }).sort()

type Block = { page: string; language: string; text: string }
const blocks = pages.flatMap((page): Block[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^( *)```([^\n]*)\n(.*?)^ *```/gms)].map(
    ([, indent = '', language = '', text = '']) => ({
      page,
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  ),
)
const inline = pages.flatMap((page) =>
  [
    ...readFileSync(join(root, page), 'utf8')
      .replaceAll(/^ *```.*?^ *```/gms, '')
      .matchAll(/`([^`\n]+)`/g),
  ].map(([, text = '']) => ({ page, text })),
)

/** Commands that do nothing, so that calling one only reads its line. */
const idle: CommandSpec[] = tree.map((spec) => ({ ...spec, action: async () => async () => {} }))

async function complaint(words: string[]): Promise<CliFault | undefined> {
  const stream = new PassThrough().resume()
  const tty = { stdin: false, stdout: false, stderr: false }
  const io = { env: {}, cwd: root, stdin: stream, stdout: stream, stderr: stream, tty, width: 100 }
  const [own, rest] = splitRest(words)
  try {
    await buildProgram({ tree: idle, io, rest, ended: () => {} }).parseAsync(own, { from: 'user' })
    return undefined
  } catch (error) {
    if (error instanceof CliFault) return error.code === exitCodes.done ? undefined : error
    throw error
  }
}

/** The command lines of `isobar` in a text of shell, each as its words. */
function commandsOf(text: string): string[][] {
  const whole = text.replaceAll(/\\\n/g, ' ')
  return [...whole.matchAll(/(?:^|[|;&(`] ?|\$ |npx |[A-Z]=\S* |next: )isobar (?=[a-z-])/gm)].map((found) =>
    wordsOf(whole.slice(found.index + found[0].length)),
  )
}

const quotedWord = /^(?:'[^']*'|"(?:\$\([^)]*\)|[^"])*"|\$\((?:[^()]|\([^)]*\))*\)|<[a-z]+>|[^\s'"|&;()<>`#]|(?<=\S)#)+/

/** The words of the first command: up to what ends one in a shell, without what redirects it. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (let rest = line; ;) {
    rest = rest.replace(/^[^\S\n]+/, '').replace(/^(?:\d?[<>]+&?[^\S\n]*(?![a-z]+>)\S+[^\S\n]*)+/, '')
    const [word] = quotedWord.exec(rest) ?? []
    if (!word) return words
    if (word !== '…') words.push(word.replaceAll(/['"]/g, ''))
    rest = rest.slice(word.length)
  }
}

test('every command line in the documentation is one that the program takes', async () => {
  const wrong: string[] = []
  for (const { page, language, text } of blocks) {
    // Of what a program printed, what one typed and what it says to type next.
    const typed = /^(\$ |.*next: isobar ).*$/gm
    const shell = language === 'sh' ? text : language === 'text' ? (text.match(typed) ?? []).join('\n') : ''
    for (const words of commandsOf(shell)) {
      const fault = await complaint(words)
      if (fault) wrong.push(`${page}: isobar ${words.join(' ')}: ${fault.message}`)
    }
  }
  for (const { page, text } of inline)
    for (const words of commandsOf(text)) {
      const fault = await complaint(words)
      // In the middle of a sentence a command may be named without what it needs.
      if (fault && !fault.message.includes('missing')) wrong.push(`${page}: \`${text}\`: ${fault.message}`)
    }
  assert.deepEqual(wrong, [])
})

test('every example in the help is a command line that the program takes', async () => {
  for (const example of tree.flatMap(({ examples }) => examples))
    for (const words of commandsOf(example)) assert.equal((await complaint(words))?.message, undefined, example)
})

test('the reader of command lines sees what is typed', async () => {
  const lines: [string, string[]][] = [
    [`npx isobar run -- python3 -c 'print(1 + 1)'   # the same`, ['run', '--', 'python3', '-c', 'print(1 + 1)']],
    ['plan=$(npx isobar plan a.yaml -o name) || [ $? -eq 10 ]', ['plan', 'a.yaml', '-o', 'name']],
    ['npx isobar stop $(npx isobar ps -o name) --wait', ['stop', '$(npx isobar ps -o name)', '--wait']],
    ['isobar secret set TOKEN < token.txt', ['secret', 'set', 'TOKEN']],
    ['A=1 B=$C isobar apply <plan> > out.json 2>/dev/null', ['apply', '<plan>']],
  ]
  for (const [line, words] of lines) assert.deepEqual(commandsOf(line)[0], words)
  assert.match((await complaint(['ps', '--al'])) + '', /there is no option --al/)
})

test('every YAML in the documentation is right, and what is marked as wrong is not', async () => {
  const wrong: string[] = []
  for (const { page, language, text } of blocks.filter((block) => block.language.startsWith('yaml'))) {
    const isOther = ['yaml fleet', 'yaml scenario', 'yaml project', 'yaml kubernetes'].includes(language)
    const problem = isOther ? '' : await problemOf(text)
    if ((problem === '') === (language === 'yaml wrong')) wrong.push(`${page}: ${problem || 'is right'}\n${text}`)
  }
  const fields = new Set(kinds.flatMap((kind) => fieldsAt(jsonSchemaOf(kind), [])))
  for (const { page, text } of inline) {
    const field = /^([a-zA-Z]+): [^…<]+$/.exec(text)?.[1] ?? ''
    const problem = fields.has(field) ? await problemOf(text) : ''
    if (problem) wrong.push(`${page}: \`${text}\`: ${problem}`)
  }
  assert.deepEqual(wrong, [])
})

test('every fleet and scenario in the documentation is one that a simulation takes', async () => {
  const fleet = readFleet(readInput(join(root, 'examples/simulate/fleet.yaml')))
  for (const { page, language, text } of blocks) {
    if (language === 'yaml fleet') readFleet(inputOf(page, text))
    if (language === 'yaml scenario') readScenario(inputOf(page, text), fleet)
  }
  const files = ['fleet.yaml', 'jobs.csv'].map((name) => join(root, 'examples/simulate', name))
  const scenario = ['--scenario', join(root, 'examples/simulate/bad-week.yaml')]
  const projects = ['--projects', join(root, 'examples/simulate/projects.yaml')]
  const { code, stdout, stderr } = await callMain([
    'simulate',
    ...files,
    ...scenario,
    ...projects,
    '--policy',
    'fifo,isobar',
  ])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^ended +240 +240$/m)
})

test('every project in the documentation is one that can be made', () => {
  for (const { page, text } of blocks.filter(({ language }) => language === 'yaml project')) {
    const read = readProjects(text, page)
    assert.ok('projects' in read, 'problems' in read ? renderProblems(read.problems) : '')
  }
})

/** What the reader of such a file says; of a part of a spec, what it says of a spec that has this part. */
async function problemOf(text: string): Promise<string> {
  if (/^sites:/m.test(text)) {
    try {
      return (await parseSites('sites.yaml', text)) && ''
    } catch (error) {
      return String(error)
    }
  }
  const whole = /^kind:/m.test(text) ? [text] : kinds.map((kind) => completed(kind, text))
  const problems = whole
    .map((spec) => readSpecs(spec, 'spec.yaml'))
    .map((read) => ('problems' in read ? read.problems[0] : null))
  return problems.includes(null) ? '' : (problems[0]?.message ?? '')
}

const needed = { name: 'x', run: 'y', tasks: '3', ports: '[80]' }
const completed = (kind: string, part: string): string =>
  [
    `kind: ${kind}`,
    ...Object.entries(needed)
      .filter(([field]) => !new RegExp(`^${field}:`, 'm').test(part))
      .filter(([field]) => (field === 'tasks' ? kind === 'array' : field === 'ports' ? kind === 'service' : true))
      .map(([field, value]) => `${field}: ${value}`),
    part,
  ].join('\n')
