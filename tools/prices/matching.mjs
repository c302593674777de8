/** Whether a rule of genai-prices' table fits a model's name. Letters' case does not matter, but in regular expressions. */
export function matches(logic, name) {
  if (logic.or) return logic.or.some((l) => matches(l, name))
  if (logic.and) return logic.and.every((l) => matches(l, name))
  const n = name.toLowerCase()
  if (logic.equals !== undefined) return n === logic.equals.toLowerCase()
  if (logic.starts_with !== undefined) return n.startsWith(logic.starts_with.toLowerCase())
  if (logic.ends_with !== undefined) return n.endsWith(logic.ends_with.toLowerCase())
  if (logic.contains !== undefined) return n.includes(logic.contains.toLowerCase())
  if (logic.regex !== undefined) return new RegExp(logic.regex).test(name)
  throw new Error('unknown matching rule ' + JSON.stringify(logic))
}
