// A JSON value as the lines of a tree that can be folded and searched.

export interface Node {
  /** Of the way to it, unique in its tree. */
  path: string;
  key: string | null;
  depth: number;
  kind: "object" | "array" | "string" | "number" | "boolean" | "null";
  /** Of a leaf, as JSON writes it; of a branch, how much is in it. */
  text: string;
  children: Node[];
}

const LONGEST = 4000; // nodes: beyond that a tree helps nobody, and raw text is there

export function tree(value: unknown): Node {
  let left = LONGEST;
  function node(each: unknown, key: string | null, path: string, depth: number): Node {
    left -= 1;
    if (Array.isArray(each) || (typeof each === "object" && each !== null)) {
      const entries: [string, unknown][] = Array.isArray(each) ? each.map((one, at) => [String(at), one]) : Object.entries(each);
      const children = entries.flatMap(([name, one]) => (left > 0 ? [node(one, name, `${path}/${name}`, depth + 1)] : []));
      const missing = entries.length - children.length;
      const size = `${entries.length} ${Array.isArray(each) ? "item" : "field"}${entries.length === 1 ? "" : "s"}`;
      return { path, key, depth, kind: Array.isArray(each) ? "array" : "object", text: missing ? `${size}, ${missing} not shown` : size, children };
    }
    const kind = each === null ? "null" : (typeof each as "string" | "number" | "boolean");
    return { path, key, depth, kind, text: JSON.stringify(each) ?? "null", children: [] };
  }
  return node(value, null, "$", 0);
}

/** The paths of nodes whose key or text has `words` in it, in any case. */
export function matches(root: Node, words: string): string[] {
  const wanted = words.toLowerCase();
  if (!wanted) return [];
  const found: string[] = [];
  (function look(node: Node): void {
    const isBranch = node.children.length > 0 || node.kind === "object" || node.kind === "array";
    if (node.key?.toLowerCase().includes(wanted) || (!isBranch && node.text.toLowerCase().includes(wanted))) found.push(node.path);
    node.children.forEach(look);
  })(root);
  return found;
}

/** What has to be unfolded so that `path` is seen. */
export function above(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(0, -1).map((_, at) => parts.slice(0, at + 1).join("/"));
}
