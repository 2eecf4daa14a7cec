/** A page that shows the API from its own description, without anything from elsewhere: it works offline. */
export const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Isobar API</title>
<style>
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent) }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) }
  details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem }
  summary { cursor: pointer; list-style: none }
  code, pre { font: 13px/1.5 ui-monospace, monospace }
  pre { overflow: auto; background: color-mix(in srgb, currentColor 6%, transparent); padding: .6rem; border-radius: 6px }
  .method { display: inline-block; width: 4.2rem; font-weight: 700 }
  .what { opacity: .75; margin-left: .6rem }
  td { padding: .1rem .8rem .1rem 0; vertical-align: top }
</style>
<h1>Isobar API</h1>
<p>All requests carry <code>Authorization: Bearer &lt;token&gt;</code>; the token is in the file <code>token</code> of the
server's state directory. The description itself: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<main>Loading …</main>
<script>
const el = (name, props, ...children) => {
  const node = Object.assign(document.createElement(name), props)
  node.append(...children)
  return node
}
const nameOf = (schema) => schema?.$ref?.split('/').pop() ?? schema?.type?.toString() ?? ''
const table = (parameters) => el('table', {}, ...parameters.map((one) => el('tr', {},
  el('td', {}, el('code', { textContent: one.name + (one.required ? '' : '?') })),
  el('td', { textContent: one.in }), el('td', { textContent: one.description ?? one.schema?.description ?? '' }))))
const contents = (title, holder) => Object.entries(holder?.content ?? {}).map(([type, { schema }]) =>
  el('p', {}, title + ': ', el('code', { textContent: nameOf(schema) }), ' as ' + type))
const operation = (method, path, it) => el('details', {},
  el('summary', {}, el('span', { className: 'method', textContent: method.toUpperCase() }),
    el('code', { textContent: path }), el('span', { className: 'what', textContent: it.summary ?? '' })),
  ...(it.parameters?.length ? [table(it.parameters)] : []), ...contents('Body', it.requestBody),
  ...Object.entries(it.responses).flatMap(([status, answer]) => contents(status, answer)))
const schema = ([name, it]) => el('details', {}, el('summary', {}, el('code', { textContent: name }),
  el('span', { className: 'what', textContent: it.description ?? '' })),
  el('pre', { textContent: JSON.stringify(it, null, 2) }))
fetch('/openapi.json').then((reply) => reply.json()).then((api) => {
  const groups = new Map()
  for (const [path, methods] of Object.entries(api.paths)) for (const [method, it] of Object.entries(methods)) {
    const tag = it.tags?.[0] ?? 'other'
    groups.set(tag, [...(groups.get(tag) ?? []), operation(method, path, it)])
  }
  document.querySelector('main').replaceChildren(
    ...[...groups].flatMap(([tag, operations]) => [el('h2', { textContent: tag }), ...operations]),
    el('h2', { textContent: 'schemas' }), ...Object.entries(api.components.schemas).map(schema))
}).catch((error) => { document.querySelector('main').textContent = 'The description could not be read: ' + error })
</script>
`
