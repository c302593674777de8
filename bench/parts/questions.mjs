// The table that bench/SpendQuestions prints as lines of JSON: … | node bench/parts/questions.mjs STORE ROWS
import { readFileSync } from 'node:fs';

const [store, rows] = process.argv.slice(2);
for (const line of readFileSync(0, 'utf8').split('\n')) {
  const cells = line.split('|').map((cell) => cell.trim());
  if (cells.length !== 7 || !/^[\d.]+$/.test(cells[2])) continue;
  console.log(JSON.stringify({ part: 'question', store, rows: +rows, question: cells[1], first_ms: +cells[2], median_ms: +cells[3], slowest_ms: +cells[4], answer_rows: +cells[5] }));
}
