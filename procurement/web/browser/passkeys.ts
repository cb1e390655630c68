// Passkeys: JSON of the interface to and from what the browser's authenticators take and give.

export {};

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));

const base64url = (buffer: ArrayBuffer): string =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

async function post(path: string, body?: unknown): Promise<any> {
  const answer = await fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const said = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(said.detail), { code: said.code });
  return said;
}

function credentialOf(made: PublicKeyCredential): unknown {
  const parts = made.response as unknown as Record<string, ArrayBuffer | null | undefined>;
  const response: Record<string, string> = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    const part = parts[name];
    if (part) response[name] = base64url(part);
  }
  return { id: made.id, rawId: base64url(made.rawId), type: made.type, response };
}

async function enrol(name: string): Promise<void> {
  const options = await post("/api/v1/passkey-options");
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  for (const each of options.excludeCredentials) each.id = bytes(each.id);
  const made = (await navigator.credentials.create({ publicKey: options })) as PublicKeyCredential;
  await post("/api/v1/passkeys", { name, credential: credentialOf(made) });
  location.assign("/desk");
}

async function logIn(): Promise<void> {
  const options = await post("/api/v1/passkey-log-in-options");
  options.challenge = bytes(options.challenge);
  const answer = (await navigator.credentials.get({ publicKey: options })) as PublicKeyCredential;
  await post("/api/v1/passkey-log-ins", { credential: credentialOf(answer) });
  location.assign("/desk");
}

/** Why it did not work, in the reader's language: by our code, or by the browser's name for it. */
function why(error: { code?: unknown; name: string }): string {
  const said = (code: unknown) => document.querySelector(`#passkey-words [data-code="${CSS.escape(String(code))}"]`);
  return (said(error.code) ?? said(error.name) ?? said("other"))!.textContent!;
}

function offer(place: HTMLElement | null, event: "submit" | "click", act: () => Promise<void>): void {
  if (!place || !window.PublicKeyCredential) return;
  const status = place.querySelector<HTMLElement>("[role=status]")!;
  const source = event === "submit" ? place : place.querySelector("button")!;
  place.hidden = false;
  source.addEventListener(event, async (happened) => {
    happened.preventDefault();
    status.hidden = true;
    try {
      await act();
    } catch (error) {
      status.textContent = why(error as Error);
      status.hidden = false;
    }
  });
}

const name = document.querySelector<HTMLInputElement>("#passkey-name");
offer(document.querySelector("#passkey-enrol"), "submit", () => enrol(name!.value));
offer(document.querySelector("#passkey-log-in"), "click", logIn);
