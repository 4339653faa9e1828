// Reading and writing of JSON (RFC 8259). AssemblyScript's standard library has none.

export enum Kind {
  Null,
  Bool,
  Number,
  Text,
  List,
  Object,
}

/** A JSON value. `text` holds a text, or the characters of a number, of true and of false. */
export class Json {
  text: string = "";
  items: Json[] = [];
  fields: Map<string, Json> = new Map<string, Json>();

  constructor(public kind: Kind) {}

  /** Return a field of an object; a null where the value is no object, or lacks it. */
  field(name: string): Json {
    return this.kind == Kind.Object && this.fields.has(name) ? this.fields.get(name) : new Json(Kind.Null);
  }

  /** Return a field that is a text; an empty text where there is none. */
  textOf(name: string): string {
    const value = this.field(name);
    return value.kind == Kind.Text ? value.text : "";
  }

  /** Return a field that is a number, without its fraction; 0 where there is none. */
  integerOf(name: string): i64 {
    const value = this.field(name);
    return value.kind == Kind.Number ? i64(parseFloat(value.text)) : 0;
  }
}

/** Parse a text as JSON; abort where it is none. */
export function parse(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return value;
}

/** Return a text as a JSON string. */
export function quote(text: string): string {
  let quoted = '"';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code == 0x22 || code == 0x5c) quoted += "\\" + text.charAt(i);
    else if (code < 0x20) quoted += "\\u00" + (code < 0x10 ? "0" : "") + code.toString(16);
    else quoted += text.charAt(i);
  }
  return quoted + '"';
}

class Reader {
  private at: i32 = 0;

  constructor(private source: string) {}

  value(): Json {
    const code = this.peek();
    if (code == 0x7b) return this.object();
    if (code == 0x5b) return this.list();
    if (code == 0x22) {
      const text = new Json(Kind.Text);
      text.text = this.string();
      return text;
    }
    return this.word();
  }

  end(): void {
    assert(this.peek() == -1, "JSON: characters after the value");
  }

  /** Return the next character that is no space, or -1 at the end. */
  private peek(): i32 {
    while (this.at < this.source.length) {
      const code = this.source.charCodeAt(this.at);
      if (code != 0x20 && code != 0x0a && code != 0x0d && code != 0x09) return code;
      this.at++;
    }
    return -1;
  }

  private take(wanted: i32): void {
    assert(this.peek() == wanted, "JSON: unexpected character at " + this.at.toString());
    this.at++;
  }

  private object(): Json {
    const object = new Json(Kind.Object);
    this.take(0x7b);
    while (this.peek() != 0x7d) {
      if (object.fields.size > 0) this.take(0x2c);
      this.peek();
      const name = this.string();
      this.take(0x3a);
      object.fields.set(name, this.value());
    }
    this.at++;
    return object;
  }

  private list(): Json {
    const list = new Json(Kind.List);
    this.take(0x5b);
    while (this.peek() != 0x5d) {
      if (list.items.length > 0) this.take(0x2c);
      list.items.push(this.value());
    }
    this.at++;
    return list;
  }

  private word(): Json {
    const start = this.at;
    while (this.at < this.source.length && isOfWord(this.source.charCodeAt(this.at))) this.at++;
    const word = this.source.substring(start, this.at);
    if (word == "null") return new Json(Kind.Null);
    const value = new Json(word == "true" || word == "false" ? Kind.Bool : Kind.Number);
    assert(value.kind == Kind.Bool || isFinite(parseFloat(word)), "JSON: unexpected word at " + start.toString());
    value.text = word;
    return value;
  }

  private string(): string {
    let text = "";
    this.take(0x22);
    let start = this.at;
    for (;;) {
      assert(this.at < this.source.length, "JSON: a text without an end");
      const code = this.source.charCodeAt(this.at);
      if (code == 0x22) break;
      if (code == 0x5c) {
        text += this.source.substring(start, this.at) + this.escaped();
        start = this.at;
      } else this.at++;
    }
    text += this.source.substring(start, this.at);
    this.at++;
    return text;
  }

  private escaped(): string {
    const letter = this.source.charAt(this.at + 1);
    this.at += 2;
    if (letter == "u") {
      const digits = this.source.substring(this.at, this.at + 4);
      this.at += 4;
      const code = parseInt(digits, 16);
      assert(digits.length == 4 && isFinite(code), "JSON: an escape without four digits");
      return String.fromCharCode(i32(code));
    }
    const index = 'bfnrt"\\/'.indexOf(letter);
    assert(letter.length == 1 && index >= 0, "JSON: unknown escape");
    return '\b\f\n\r\t"\\/'.charAt(index);
  }
}

function isOfWord(code: i32): bool {
  // letters, digits, + - .
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code == 0x2b || code == 0x2d || code == 0x2e || code == 0x45;
}
