/** What LaTeX's names stand for: the signs that occur in school and university answers. */

const pairs = (text) =>
  Object.fromEntries(
    text
      .trim()
      .split(/\s+/)
      .map((pair) => pair.split(":")),
  );

export const SYMBOLS = {
  ...pairs(`
    alpha:α beta:β gamma:γ delta:δ epsilon:ε varepsilon:ε zeta:ζ eta:η theta:θ vartheta:ϑ iota:ι kappa:κ lambda:λ mu:μ nu:ν
    xi:ξ pi:π rho:ρ sigma:σ tau:τ upsilon:υ phi:φ varphi:φ chi:χ psi:ψ omega:ω Gamma:Γ Delta:Δ Theta:Θ Lambda:Λ Xi:Ξ Pi:Π
    Sigma:Σ Upsilon:Υ Phi:Φ Psi:Ψ Omega:Ω times:× div:÷ cdot:· pm:± mp:∓ ast:∗ star:⋆ circ:∘ bullet:• le:≤ leq:≤ ge:≥
    geq:≥ ne:≠ neq:≠ approx:≈ equiv:≡ sim:∼ simeq:≃ cong:≅ propto:∝ ll:≪ gg:≫ in:∈ notin:∉ ni:∋ subset:⊂ subseteq:⊆
    supset:⊃ supseteq:⊇ cup:∪ cap:∩ setminus:∖ emptyset:∅ varnothing:∅ forall:∀ exists:∃ neg:¬ lnot:¬ land:∧ wedge:∧ lor:∨
    vee:∨ to:→ rightarrow:→ leftarrow:← Rightarrow:⇒ Leftarrow:⇐ leftrightarrow:↔ Leftrightarrow:⇔ implies:⇒ iff:⇔ mapsto:↦
    longrightarrow:⟶ uparrow:↑ downarrow:↓ infty:∞ partial:∂ nabla:∇ prime:′ degree:° angle:∠ perp:⊥ parallel:∥ mid:∣ hbar:ℏ
    ell:ℓ Re:ℜ Im:ℑ aleph:ℵ ldots:… dots:… cdots:⋯ vdots:⋮ ddots:⋱ therefore:∴ because:∵ langle:⟨ rangle:⟩ lfloor:⌊ rfloor:⌋
    lceil:⌈ rceil:⌉ vert:| lvert:| rvert:| Vert:‖ backslash:\\ oplus:⊕ otimes:⊗ checkmark:✓ square:□ blacksquare:■
  `),
  lbrace: "{",
  rbrace: "}",
  quad: "",
  qquad: "",
  displaystyle: "",
  textstyle: "",
  limits: "",
  nolimits: "",
  big: "",
  Big: "",
  bigl: "",
  bigr: "",
  Bigl: "",
  Bigr: "",
  right: "",
  hline: "",
};

export const LARGE = pairs(
  "sum:∑ prod:∏ coprod:∐ int:∫ iint:∬ oint:∮ bigcup:⋃ bigcap:⋂ lim:lim max:max min:min sup:sup inf:inf",
);
export const ACCENTS = pairs("hat:^ widehat:^ bar:¯ overline:¯ vec:→ tilde:~ dot:˙ ddot:¨ overrightarrow:→");
export const FUNCTIONS = new Set(
  "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp det dim ker gcd lcm arg deg mod bmod".split(
    " ",
  ),
);
export const TEXTS = new Set(
  "text mathrm mathbf mathit mathbb mathcal textbf textit operatorname mathsf boldsymbol mbox".split(" "),
);
