import type { CommandSpec } from './call.ts'
import { formatNames } from './output/format.ts'
import { topics } from './topics.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]
export const isShell = (text: string): text is Shell => shells.some((shell) => shell === text)

/** What may stand behind a command: its options, and the names of workloads or files. */
type Entry = { path: string; summary: string; options: string[]; takes: 'workloads' | 'files' | 'nothing' }

function entriesOf(tree: readonly CommandSpec[]): Entry[] {
  return tree
    .filter(({ hidden }) => !hidden)
    .map((spec) => ({
      path: spec.name,
      summary: spec.summary,
      options: [...optionNames(spec), ...(spec.data ? ['--output'] : []), '--help'],
      takes: /<workloads?/.test(spec.arguments ?? '')
        ? 'workloads'
        : /file/.test(spec.arguments ?? '')
          ? 'files'
          : 'nothing',
    }))
}

const optionNames = (spec: CommandSpec): string[] =>
  (spec.options ?? []).flatMap(({ flags }) => /--[a-z-]+/.exec(flags)?.[0] ?? [])

/** Options with the words that may follow them; the same for all commands. */
function choicesOf(tree: readonly CommandSpec[]): [flags: string[], words: string[]][] {
  const choices = new Map<string, Set<string>>()
  for (const { flags, choices: words = [] } of tree.flatMap(({ options = [] }) => options)) {
    const names = flags.match(/(?<![\w-])--?[a-z-]+/g)?.join('|') ?? ''
    if (words.length > 0) choices.set(names, new Set([...(choices.get(names) ?? []), ...words]))
  }
  choices.set('-o|--output', new Set(formatNames.map((name) => name.replace(/<.*>/, ''))))
  return [...choices].map(([names, words]) => [names.split('|'), [...words]])
}

/** A completion script made from the tree of commands. Names of workloads come from `isobar complete-workloads`. */
export function completionScript(shell: Shell, tree: readonly CommandSpec[]): string {
  const entries = entriesOf(tree)
  switch (shell) {
    case 'bash':
      return bash(entries, choicesOf(tree))
    case 'zsh':
      return `#compdef isobar\nautoload -U +X bashcompinit && bashcompinit\n${bash(entries, choicesOf(tree))}`
    case 'fish':
      return fish(entries, choicesOf(tree))
  }
}

const firstWords = (entries: Entry[]): string[] => [...new Set(entries.map(({ path }) => path.split(' ')[0] ?? ''))]

const secondWords = (entries: Entry[], first: string): string[] =>
  entries.flatMap(({ path }) => (path.startsWith(`${first} `) ? [path.slice(first.length + 1)] : []))

type Choices = ReturnType<typeof choicesOf>

function bash(entries: Entry[], choices: Choices): string {
  const groups = firstWords(entries).filter((word) => secondWords(entries, word).length > 0)
  const cases = entries.map(({ path, options, takes }) => {
    const words = takes === 'workloads' ? '$(isobar complete-workloads 2>/dev/null)' : ''
    const files = takes === 'files' ? '; files=1' : ''
    return `    '${path}') options='${options.join(' ')}'; words="${words}"${files} ;;`
  })
  const values = choices.map(
    ([flags, words]) =>
      `    ${flags.join('|')}) COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$current")); return ;;`,
  )
  return `# Completion of isobar. Made by: isobar completion
_isobar() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="\${COMP_WORDS[1]}" options='' words='' files='' group=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...firstWords(entries), 'help', '--version', '--help'].join(' ')}' -- "$current"))
    return
  fi
  case "$command" in
    help) COMPREPLY=($(compgen -W '${[...firstWords(entries), ...topics.map(({ name }) => name)].join(' ')}' -- "$current")); return ;;
${groups.map((group) => `    ${group}) group='${secondWords(entries, group).join(' ')}' ;;`).join('\n')}
  esac
  if [ -n "$group" ]; then
    if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W "$group" -- "$current")); return; fi
    command="$command \${COMP_WORDS[2]}"
  fi
  case "$command" in
${cases.join('\n')}
  esac
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
${values.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    # Without an answer the shell completes names of files by itself.
    *) [ -n "$files" ] || COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _isobar isobar
`
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`\'`)}'`

function fish(entries: Entry[], choices: Choices): string {
  const lines = ['# Completion of isobar. Made by: isobar completion', 'complete -c isobar -f']
  for (const word of firstWords(entries)) {
    const inner = secondWords(entries, word)
    const summary = inner.length > 0 ? inner.join(', ') : (entries.find(({ path }) => path === word)?.summary ?? '')
    lines.push(`complete -c isobar -n __fish_use_subcommand -a ${word} -d ${quoted(summary)}`)
    if (inner.length > 0)
      lines.push(`complete -c isobar -n '__fish_seen_subcommand_from ${word}' -a ${quoted(inner.join(' '))}`)
  }
  for (const { path, options, takes } of entries) {
    const on = path
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const option of options) {
      const [flags = [option], words] = choices.find(([names]) => names.includes(option)) ?? []
      const short = flags.flatMap((flag) => (flag.startsWith('--') ? [] : [` -s ${flag.slice(1)}`])).join('')
      const values = words ? ` -x -a ${quoted(words.join(' '))}` : ''
      lines.push(`complete -c isobar -n ${quoted(on)}${short} -l ${option.slice(2)}${values}`)
    }
    if (takes === 'files') lines.push(`complete -c isobar -n ${quoted(on)} -F`)
    if (takes === 'workloads')
      lines.push(`complete -c isobar -n ${quoted(on)} -a '(isobar complete-workloads 2>/dev/null)'`)
  }
  const topicNames = [...firstWords(entries), ...topics.map(({ name }) => name)]
  lines.push(`complete -c isobar -n __fish_use_subcommand -a help -d 'show help about a command or topic'`)
  lines.push(`complete -c isobar -n '__fish_seen_subcommand_from help' -a ${quoted(topicNames.join(' '))}`)
  return `${lines.join('\n')}\n`
}
