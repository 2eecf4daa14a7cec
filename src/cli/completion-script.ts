import type { CommandSpec } from './call.ts'
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

/** A completion script made from the tree of commands. Names of workloads come from `isobar complete-workloads`. */
export function completionScript(shell: Shell, tree: readonly CommandSpec[]): string {
  const entries = entriesOf(tree)
  switch (shell) {
    case 'bash':
      return bash(entries)
    case 'zsh':
      return `#compdef isobar\nautoload -U +X bashcompinit && bashcompinit\n${bash(entries)}`
    case 'fish':
      return fish(entries)
  }
}

const firstWords = (entries: Entry[]): string[] => [...new Set(entries.map(({ path }) => path.split(' ')[0] ?? ''))]

const secondWords = (entries: Entry[], first: string): string[] =>
  entries.flatMap(({ path }) => (path.startsWith(`${first} `) ? [path.slice(first.length + 1)] : []))

function bash(entries: Entry[]): string {
  const groups = firstWords(entries).filter((word) => secondWords(entries, word).length > 0)
  const cases = entries.map(({ path, options, takes }) => {
    const words = takes === 'workloads' ? '$(isobar complete-workloads 2>/dev/null)' : ''
    const files = takes === 'files' ? '; files=1' : ''
    return `    '${path}') options='${options.join(' ')}'; words="${words}"${files} ;;`
  })
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
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) if [ -n "$files" ]; then COMPREPLY=($(compgen -f -- "$current")); else COMPREPLY=($(compgen -W "$words" -- "$current")); fi ;;
  esac
}
complete -o default -F _isobar isobar
`
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`\'`)}'`

function fish(entries: Entry[]): string {
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
    for (const option of options) lines.push(`complete -c isobar -n ${quoted(on)} -l ${option.slice(2)}`)
    if (takes === 'files') lines.push(`complete -c isobar -n ${quoted(on)} -F`)
    if (takes === 'workloads')
      lines.push(`complete -c isobar -n ${quoted(on)} -a '(isobar complete-workloads 2>/dev/null)'`)
  }
  return `${lines.join('\n')}\n`
}
