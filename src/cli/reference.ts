import { groups, type CommandSpec, type OptionSpec } from './call.ts'
import { formatNames } from './output/format.ts'
import { topics } from './topics.ts'

/** The reference of the command line as Markdown, made from the tree of commands. */
export function reference(tree: readonly CommandSpec[]): string {
  const shown = tree.filter(({ hidden }) => !hidden)
  const parts = groups.flatMap((group) => [
    `## ${group}\n`,
    ...shown.filter((spec) => spec.group === group).map(commandText),
  ])
  return [
    '# Command line\n',
    'Made by `node src/cli/generate-docs.ts` from the same tree as `isobar --help`; do not edit.\n',
    ...parts,
    ...topics.map(({ text }) => topicText(text)),
  ].join('\n')
}

function commandText(spec: CommandSpec): string {
  const usage = ['isobar', spec.name, spec.arguments].filter(Boolean).join(' ')
  const options = [...(spec.options ?? []), ...(spec.data ? [output] : [])]
  const summary = `${spec.summary.charAt(0).toUpperCase()}${spec.summary.slice(1)}.`
  return [
    `### isobar ${spec.name}\n`,
    `    ${usage}${options.length > 0 ? ' [options]' : ''}\n`,
    `${[summary, spec.details].filter(Boolean).join(' ')}\n`,
    ...(options.length > 0 ? [optionTable(options)] : []),
    ...(spec.examples.length > 0 ? [`Examples:\n\n${spec.examples.map((line) => `    ${line}\n`).join('')}`] : []),
    ...(spec.next ? [`Next: ${spec.next.split(', ').map(code).join(', ')}\n`] : []),
  ].join('\n')
}

const output: OptionSpec = { flags: '-o, --output <format>', description: formatNames.join(', '), default: 'table' }

function optionTable(options: readonly OptionSpec[]): string {
  const rows = options.map(({ flags, description, choices, ...more }) => {
    const notes = [
      ...(choices ? [`one of ${choices.join(', ')}`] : []),
      ...(more.default === undefined ? [] : [`default ${more.default}`]),
      ...(more.repeat ? ['may be repeated'] : []),
    ]
    return `| \`${flags}\` | ${escaped(description)}${notes.length > 0 ? ` (${notes.join('; ')})` : ''} |\n`
  })
  return `| option | meaning |\n|---|---|\n${rows.join('')}`
}

const escaped = (text: string): string => text.replaceAll('|', String.raw`\|`).replaceAll('<', '&lt;')
const code = (text: string): string => `\`${text}\``

/** A topic's first line becomes its heading, the rest stays as it is. */
function topicText(text: string): string {
  const [title = '', ...lines] = text.split('\n')
  return `## ${title}\n\n\`\`\`text\n${lines.slice(1).join('\n').trimEnd()}\n\`\`\`\n`
}
