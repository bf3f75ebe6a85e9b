// How the Node scripts report: the same as expected.py and report.py, for them.
import assert from "node:assert/strict";

export const { prompt: PROMPT, text: TEXT, tokens: TOKENS } = JSON.parse(process.env.EXPECTED);
export const FIRST_THREE = TOKENS.slice(0, 3).join("");
export const MODEL = "mock-1";
export const SLOW = "mock-1;itl=0.05"; // 2 s from the first token to the last
export const WEATHER = { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } };
export const ARGUMENTS = { city: "text", days: 1 };

// Run one feature and print its row: it fails by throwing, and what it returns is the row's detail.
export async function feature(name, run) {
  const row = { feature: name, ok: true, detail: "" };
  try {
    row.detail = String((await run()) ?? "");
  } catch (error) {
    row.ok = false;
    row.detail = `${error.name}: ${error.message}`;
  }
  console.log(JSON.stringify(row));
}

// Read a stream of texts, which must be the script and come bit by bit; the answer is how it came.
export async function streamed(pieces) {
  const came = [];
  for await (const piece of pieces) if (piece) came.push([performance.now(), piece]);
  assert.equal(came.map(([, piece]) => piece).join(""), TEXT);
  const seconds = (came.at(-1)[0] - came[0][0]) / 1000;
  assert(came.length > 10 && seconds > 0.1, `${came.length} pieces within ${seconds.toFixed(3)} s are no stream`);
  return `${came.length} pieces in ${seconds.toFixed(2)} s`;
}

// What the server says it has done.
export async function ledger() {
  return (await fetch(new URL("/ledger", process.env.OPENAI_BASE_URL))).json();
}

export async function all(stream) {
  const came = [];
  for await (const piece of await stream) came.push(piece);
  return came;
}

// Read a stream that breaks after three tokens: they must have come, and then this kind of error.
export async function breaksAfterThree(pieces, kind, said) {
  const came = [];
  const read = async () => {
    for await (const piece of await pieces) came.push(piece);
  };
  await throws(read, kind, said);
  assert.equal(came.join(""), FIRST_THREE);
}

export async function throws(run, kind, said = /./) {
  try {
    await run();
  } catch (error) {
    assert(error instanceof kind, `${error.name} (${error.message}) instead of ${kind.name}`);
    assert.match(error.message, said);
    return error;
  }
  assert.fail(`no ${kind.name} was thrown`);
}

export function inPieces(pieces, whole) {
  assert.equal(pieces.join(""), whole);
  assert(pieces.length > 1, `one piece: ${pieces}`);
  return `${pieces.length} pieces of arguments`;
}
