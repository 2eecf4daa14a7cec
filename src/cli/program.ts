import { Command, Option, type Argument, type CommanderError } from 'commander'

import { didYouMean } from '#kit/did-you-mean.ts'

import { asCalled } from './as-called.ts'
import type { Call, CommandSpec } from './call.ts'
import type { Api } from './client.ts'
import { CliFault, exitCodes } from './fault.ts'
import type { Io } from './io.ts'
import { formatNames, parseFormat } from './output/format.ts'
import { topics } from './topics.ts'

export type ProgramOptions = {
  tree: readonly CommandSpec[]
  io: Io
  rest: string[]
  /** Told the exit code of the command that ran. */
  ended: (code: number) => void
}

/** Splits the command line of `run` at its first `--`: what follows is a command of the user's, not ours to read. */
export function splitRest(argv: readonly string[]): [words: string[], rest: string[]] {
  const at = argv[0] === 'run' ? argv.indexOf('--') : -1
  return at < 0 ? [[...argv], []] : [argv.slice(0, at), argv.slice(at + 1)]
}

const intro = `Runs AI workloads across every cloud you have: one spec, one queue, one ledger.

Start here:  isobar run -- echo hello       a job on this machine
             isobar init                    writes job.yaml, a spec to fill in
             isobar run job.yaml            its plan and price, then its log
`

/** Makes commander's program from the tree of commands. */
export function buildProgram(options: ProgramOptions): Command {
  const program = configure(new Command('isobar'), options)
  program
    .usage('<command> [options]')
    .description(intro.trimEnd())
    .option('-V, --version', 'show the version')
    .addHelpText('after', `\nMore: isobar help <command>, or a topic: ${topics.map(({ name }) => name).join(', ')}`)
    .action(async (values: { version?: boolean }) => {
      if (!values.version) return void options.io.stdout.write(asCalled(options.io.env, helpText(program)))
      const { version } = await import('./version.ts')
      options.io.stdout.write(`${version}\n`)
    })
  const groups = new Map<string, Command>()
  for (const spec of options.tree) {
    const [first = '', second] = spec.name.split(' ')
    if (!second) addCommand(program, spec, options)
    else {
      const group = groups.get(first) ?? addGroup(program, { ...spec, name: first }, options)
      groups.set(first, group)
      addCommand(group, { ...spec, name: second }, options)
    }
  }
  addHelp(program, options)
  return program
}

function configure(command: Command, { io }: ProgramOptions): Command {
  const columns = Number.isFinite(io.width) ? io.width : 100
  return command
    .exitOverride()
    .showSuggestionAfterError(false)
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .configureHelp({ subcommandTerm: termOf })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(asCalled(io.env, text)),
      writeErr: () => {}, // what is wrong is thrown, and told once at the end
      getOutHelpWidth: () => columns,
      getOutHasColors: () => false,
    })
}

/** A command in a list of commands: its name and arguments, for every one has options. */
const termOf = (command: Command): string =>
  [command.name(), ...command.registeredArguments.map((one) => argumentText(one))].join(' ')

function argumentText(argument: Argument): string {
  const text = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${text}>` : `[${text}]`
}

function addGroup(program: Command, { name, group: heading }: CommandSpec, options: ProgramOptions): Command {
  const summaries = options.tree.filter((one) => one.name.startsWith(`${name} `)).map((one) => one.name.split(' ')[1])
  const group = configure(program.command(name), options)
  group.helpGroup(`${heading}:`).summary(summaries.join(', ')).usage('<command> [options]')
  if (!options.tree.some((one) => one.name.startsWith(`${name} `) && one.isDefault))
    group.action(() => {
      throw usageError(group, `what to do with "${name}" is missing`, undefined)
    })
  return guardUsage(group)
}

function addCommand(parent: Command, spec: CommandSpec, options: ProgramOptions): void {
  const command = parent.command(spec.name, {
    hidden: spec.hidden ?? false,
    isDefault: spec.isDefault ?? false,
  })
  configure(command, options)
    .helpGroup(`${spec.group}:`)
    .summary(spec.summary)
    .description([`${sentence(spec.summary)}.`, spec.details].filter(Boolean).join('\n\n'))
  if (spec.arguments) for (const argument of spec.arguments.split(' ')) command.argument(argument)
  for (const { flags, description, ...more } of spec.options ?? []) {
    const option = new Option(flags, description)
    if (more.repeat) option.argParser((value: string, before: string[] = []) => [...before, value])
    if (more.choices) option.choices(more.choices)
    if (more.default !== undefined) option.default(more.default)
    command.addOption(option)
  }
  if (spec.data) command.option('-o, --output <format>', formatNames.join(', '), 'table')
  command.addHelpText('after', () => footer(spec))
  command.action(async () => {
    const act = await spec.action()
    const call = callOf(command, options)
    const pager = call.flag('watch') || call.flag('follow') ? null : pagerOf(options.io, spec)
    if (pager === null)
      return options.ended((await act(call).catch((error: unknown) => helpedByHelp(command, error))) ?? exitCodes.done)
    const { throughPager } = await import('./pager.ts')
    options.ended(await throughPager(options.io, pager, (io) => act(callOf(command, { ...options, io }))))
  })
  guardUsage(command)
}

/** The program that shows what a command tells, a page at a time: where somebody looks at a terminal and asked for one. */
function pagerOf(io: Io, { group, name }: CommandSpec): string | null {
  const pager = io.env.ISOBAR_PAGER ?? io.env.PAGER ?? ''
  const looks = (group === 'Look' || group === 'Money') && name !== 'wait'
  return looks && io.tty.stdout && pager.trim() !== '' && pager.trim() !== 'cat' ? pager.trim() : null
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const footer = ({ examples, next }: CommandSpec): string =>
  ['', 'Examples:', ...examples.map((line) => `  ${line}`), ...(next ? ['', `Next: ${next}`] : [])].join('\n')

function callOf(command: Command, { io, rest, tree }: ProgramOptions): Call {
  const values = new Map<string, unknown>(Object.entries(command.opts()))
  const valueOf = (name: string) =>
    values.get(name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()))
  let api: Promise<Api> | undefined
  return {
    args: command.args,
    rest,
    io,
    tree,
    flag: (name) => valueOf(name) === true,
    text: (name) => {
      const value = valueOf(name)
      return typeof value === 'string' ? value : undefined
    },
    texts: (name) => {
      const value = valueOf(name)
      return Array.isArray(value) ? value.map(String) : []
    },
    format: parseFormat(String(values.get('output') ?? 'table')),
    api: () => (api ??= import('./connect.ts').then(({ connect }) => connect(io))),
  }
}

/** `isobar help`, `isobar help secret set`, `isobar help exit-codes`. */
function addHelp(program: Command, options: ProgramOptions): void {
  const help = configure(program.command('help [topic...]'), options)
  help.helpGroup('Set up:').summary('show help about a command or topic')
  help.action((words: string[]) => {
    const topic = topics.find(({ name }) => name === words[0])
    if (topic) return void options.io.stdout.write(asCalled(options.io.env, topic.text))
    let command = program
    for (const word of words) {
      const inner = command.commands.find((one) => one.name() === word)
      if (!inner)
        throw unknownCommand(
          command,
          word,
          topics.map(({ name }) => name),
        )
      command = inner
    }
    options.io.stdout.write(asCalled(options.io.env, helpText(command)))
  })
  guardUsage(help)
  guardUsage(program)
}

/** The whole help of a command, with its examples. */
function helpText(command: Command): string {
  let text = ''
  command.configureOutput({ ...command.configureOutput(), writeOut: (part) => (text += part) })
  command.outputHelp()
  return text
}

/** Turns what commander finds wrong into a fault that names the fix. */
function guardUsage(command: Command): Command {
  return command.exitOverride((error) => {
    if (error.exitCode === 0) throw new HelpShown()
    throw faultOfUsage(command, error)
  })
}

/** Help was asked for and shown: an end without an error. */
class HelpShown extends CliFault {
  constructor() {
    super('', { code: exitCodes.done })
  }
}

function faultOfUsage(command: Command, error: CommanderError): CliFault {
  // Only what names something is repeated: a value that somebody typed may be a secret, and errors end up in logs.
  const word = /'([^'=]+)/.exec(error.message)?.[1] ?? ''
  switch (error.code) {
    case 'commander.unknownCommand':
      return unknownCommand(command, word, [])
    case 'commander.unknownOption': {
      if (/^(-o|--output$)/.test(word)) return withoutData(command, word)
      const flags = command.options.flatMap(({ long, short }) => [long ?? '', short ?? '']).filter(Boolean)
      return usageError(command, `there is no option ${word}`, didYouMean(word, flags))
    }
    case 'commander.excessArguments': {
      if (command.commands.length > 0) return unknownCommand(command, command.args[0] ?? '', [])
      return usageError(command, error.message.replace(/^error: /, '').replace(/( but got \d+): .*/s, '$1'), undefined)
    }
    default:
      return usageError(command, error.message.replace(/^error: /, ''), undefined)
  }
}

function withoutData(command: Command, word: string): CliFault {
  const why = 'What it writes is for people. Programs go by its exit code, and ask other commands for data.'
  return new CliFault(`${pathOf(command)} gives no data, and has no ${word.startsWith('--') ? word : '-o'}`, {
    code: exitCodes.usage,
    why,
    next: [`${pathOf(command)} --help`, 'isobar help output', 'isobar help exit-codes'],
  })
}

function unknownCommand(parent: Command, word: string, also: readonly string[]): CliFault {
  const names = parent.commands.map((one) => one.name())
  return usageError(parent, `there is no command "${word}"`, didYouMean(word, [...names, ...also]))
}

function usageError(command: Command, what: string, meant: string | undefined): CliFault {
  return new CliFault(what, {
    code: exitCodes.usage,
    why: meant ? `Did you mean ${meant}?` : '',
    next: [`${pathOf(command)} --help`],
  })
}

function pathOf(command: Command): string {
  const path: string[] = []
  for (let one: Command | null = command; one; one = one.parent) path.unshift(one.name())
  return path.join(' ')
}

/** Who typed a command is helped by its help, where the server can name no more than its own description. */
function helpedByHelp(command: Command, error: unknown): never {
  if (!(error instanceof CliFault) || error.problem?.code !== 'usage' || error.next[0] !== describedAt) throw error
  const { code, why, problem } = error
  throw new CliFault(error.message, { code, why, problem, next: [`${pathOf(command)} --help`] })
}

const describedAt = 'isobar api openapi.json'
