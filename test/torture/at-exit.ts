const left = new Set<() => void>()

/** Runs `undo` when this process ends before it was run; returns what runs it now, once. */
export function atExit(undo: () => void): () => void {
  const once = () => {
    if (left.delete(once)) undo()
  }
  left.add(once)
  return once
}

/** Undoes all that is left, whatever fails. */
export function undoAll(): void {
  for (const undo of [...left].toReversed())
    try {
      undo()
    } catch {
      // The next one is undone all the same.
    }
}

process.once('exit', undoAll)
