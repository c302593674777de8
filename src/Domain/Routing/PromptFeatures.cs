using System.Numerics;
using System.Runtime.CompilerServices;

namespace Tokonomics.Domain.Routing;

/// <summary>
/// What can be counted of a prompt: lengths, digits, signs and cue words, as 38 numbers of about the same size. They are computed in memory, added to sums and dropped; the text can't be had back
/// from them, and nothing of it is kept.
/// </summary>
public static class PromptFeatures
{
    /// <summary>How many there are.</summary>
    public const int Count = 38;

    /// <summary>Of a longer prompt its beginning and its end are read, half of this each: what is asked stands at one of them.</summary>
    public const int MostCharacters = 16 * 1024;

    /// <summary>Changes when a feature's meaning does: sums of two versions don't add up.</summary>
    public const byte Version = 1;

    private const int Length = 0;
    private const int SingleLetters = 11;
    private const int FirstCue = 23;

    // Words that tell what a prompt is about. Lower case, ASCII; a plural in -s is found with its singular.
    private static readonly (Cue Cue, string Words)[] Lexicon =
    [
        (Cue.Maths, "sum product equation solve integer polynomial triangle angle probability matrix vector function integral derivative prime divisible remainder fraction ratio square root circle area volume "
            + "perimeter radius diameter logarithm modulo factor coefficient theorem group ring field permutation digit parabola sequence graph mean median variance calculate compute evaluate simplify factorial"),
        (Cue.Code, "def return print import class void int str string array list dict tuple loop code python java javascript sql algorithm compile assert lambda null true boolean api json bug stack "
            + "binary program parse sort append range len self elif else"),
        (Cue.Reason, "prove show explain derive justify therefore hence thus because assume suppose reasoning reason step deduce conclude implies imply infer logically argument premise consider whether clue must why how"),
        (Cue.Negation, "not except never no none false incorrect least cannot neither nor without unless isn doesn don didn won wouldn"),
        (Cue.Quantity, "each every per total many much twice half more less time double triple remaining left altogether average another bought sold cost pay dozen day week hour minute mile"),
        (Cue.Law, "court plaintiff defendant statute contract jury tort liable liability negligence crime murder testimony evidence constitutional amendment judge trial attorney law legal property deed landlord "
            + "tenant sued action damage guilty convicted arrested police felony"),
        (Cue.Life, "patient disease cell gene protein blood clinical syndrome symptom treatment diagnosis pain drug infection cancer dna rna enzyme species muscle nerve hormone bacteria virus tissue brain organ "
            + "plant animal diet acute chronic therapy"),
        (Cue.Matter, "energy force velocity mass electron charge temperature pressure voltage current circuit wavelength frequency acceleration atom molecule acid reaction ion bond mole gas liquid heat entropy "
            + "magnetic particle gravity star planet kg joule watt meter cm flow steel resistance"),
        (Cue.Society, "price market demand supply firm tax rate interest bank inflation investment capital profit revenue income asset stock budget trade consumer monopoly company customer business employee "
            + "war century empire king president party government state political religion church god policy treaty revolution passage author philosopher theory society culture nation american british soviet"),
        (Cue.Moral, "moral morally ethics ethical wrong should ought standard scenario virtue duty fair unfair justice harm blame"),
        (Cue.Speaker, "i me my mine us we our you your am ve"),
        (Cue.Person, "he she him his her hers they them their theirs himself herself themselves who whom father mother son daughter brother sister friend family wife husband man woman boy girl child"),
        (Cue.Ask, "please would like know want need help interested could can may might let give tell write translate summarize describe compare create list choose identify determine"),
        (Cue.Link, "but or also only if before after during while then until although though however when which where both either still already just later next"),
        (Cue.Filler, "the a an of in to at on for with as by from and is are was were be been has had have that this these those it its there"),
    ];

    private static readonly CueTable Cues = new(Lexicon);

    private enum Cue : byte
    {
        None, Maths, Code, Reason, Negation, Quantity, Law, Life, Matter, Society, Moral, Speaker, Person, Ask, Link, Filler, Kinds,
    }

    /// <summary>Counts a prompt's features. Allocates nothing; reads <see cref="MostCharacters"/> at most.</summary>
    /// <param name="prompt">What the caller asks: the last message of the user, or all of it. Of the same traffic always the same part.</param>
    /// <param name="features"><see cref="Count"/> numbers, each finite, most between 0 and 10.</param>
    public static void Read(ReadOnlySpan<char> prompt, Span<double> features)
    {
        var counts = new Counts();
        if (prompt.Length <= MostCharacters)
        {
            Scan(prompt, ref counts);
        }
        else
        {
            Scan(prompt[..(MostCharacters / 2)], ref counts);
            Scan(prompt[^(MostCharacters / 2)..], ref counts);
        }

        Write(counts, prompt.Length, features[..Count]);
    }

    /// <summary>
    /// An order for a time without labels: what prompts to look at first. Length, letters that stand alone as in formulas, words of maths and of reasoning: rules that nobody trained. It says nothing of any model, and nothing is ever
    /// routed by it alone: labels begin from it.
    /// </summary>
    public static double Difficulty(ReadOnlySpan<double> features)
    {
        var sum = 0d;
        for (var i = 0; i < Count; i++)
            sum += Difficulty(i) * features[i];
        return sum;
    }

    /// <summary>How much a feature counts in it.</summary>
    internal static double Difficulty(int feature) => feature switch
    {
        Length => 1,
        SingleLetters or FirstCue or FirstCue + (Cue.Reason - Cue.Maths) => 0.5,
        _ => 0,
    };

    private static void Scan(ReadOnlySpan<char> text, ref Counts c)
    {
        var (at, lineStart, sentenceStart, previous) = (0, true, true, '\n');
        while (at < text.Length)
        {
            var ch = text[at];
            if (lineStart && ch is not '\n' and not '\r')
            {
                // 1. A line begins: is it an option ("A. …", "(b) …", "3) …"), is it indented?
                lineStart = false;
                c.Lines++;
                if (ch is ' ' or '\t' && at + 1 < text.Length && text[at + 1] is ' ' or '\t')
                    c.Indented++;
                var marker = at + (ch == '(' ? 1 : 0);
                if (marker + 1 < text.Length && (char.IsAsciiLetterUpper(text[marker]) || char.IsAsciiDigit(text[marker]) || (ch == '(' && char.IsAsciiLetter(text[marker]))) && text[marker + 1] is '.' or ')' or ':')
                {
                    c.Options++;
                    c.OptionCharacters += OptionLength(text[at..]);
                }
            }

            if (char.IsAsciiLetter(ch))
            {
                at = Word(text, at, ref c, sentenceStart);
                (sentenceStart, previous) = (false, 'a');
                continue;
            }

            if (char.IsAsciiDigit(ch))
            {
                at = Number(text, at, ref c);
                (sentenceStart, previous) = (false, '0');
                continue;
            }

            // 2. All other characters, one at a time.
            switch (ch)
            {
                case '\n': lineStart = true; sentenceStart = true; break;
                case '.' or '!' or '?':
                    if (previous == 'a' || ch != '.')
                        (c.Sentences, sentenceStart) = (c.Sentences + 1, true);
                    c.Questions += ch == '?' ? 1 : 0;
                    c.Punctuation++;
                    break;
                case ',' or ':' or '-': c.Punctuation++; break;
                case '"' or '\'' or '(' or ')':
                    c.Quotes++;
                    if (ch == '"' && at + 1 < text.Length && text[at + 1] == ':')
                        c.JsonNames++;
                    break;
                case '{' or '}' or '[' or ']' or ';' or '#' or '_' or '`': c.CodeSigns++; break;
                case '=' or '+' or '*' or '/' or '^' or '<' or '>' or '|' or '~': c.MathSigns++; break;
                case '$': c.Dollars++; break;
                case '%' or '€' or '£': c.Money++; break;
                case '\\': c.Backslashes++; break;
                case >= '\u0080':
                    c.NonAscii++;
                    c.MathSigns += ch is >= '\u2200' and <= '\u22ff' or '×' or '÷' or '±' or '°' or 'π' or '√' ? 1 : 0;
                    break;
            }

            previous = ch;
            at++;
        }

        c.Characters += text.Length;
    }

    private static int Word(ReadOnlySpan<char> text, int at, ref Counts c, bool sentenceStart)
    {
        var (start, hash, upper) = (at, CueTable.Seed, 0);
        for (; at < text.Length && char.IsAsciiLetter(text[at]); at++)
        {
            upper += char.IsAsciiLetterUpper(text[at]) ? 1 : 0;
            hash = CueTable.Add(hash, (char)(text[at] | 0x20));
        }

        var length = at - start;
        c.Words++;
        c.Letters += length;
        c.LongWords += length >= 9 ? 1 : 0;
        c.Names += !sentenceStart && length > 1 && upper > 0 ? 1 : 0;
        c.SingleLetters += length == 1 ? 1 : 0;
        c.Seen[(int)(hash >> 6) & 15] |= 1UL << (int)(hash & 63);
        c.Cues[(int)Cues.Find(hash, text[start..at])]++;
        return at;
    }

    private static int Number(ReadOnlySpan<char> text, int at, ref Counts c)
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
            at++;
        c.Numbers++;
        c.Digits += at - start;
        if (at + 1 < text.Length && text[at] == '.' && char.IsAsciiDigit(text[at + 1]))
            c.Decimals++;
        return at;
    }

    private static int OptionLength(ReadOnlySpan<char> line) => line.IndexOf('\n') is >= 0 and var end ? end : line.Length;

    private static void Write(in Counts c, int length, Span<double> f)
    {
        var characters = Math.Max(1, c.Characters);
        var words = Math.Max(1, c.Words);
        var distinct = 0;
        foreach (var part in c.Seen)
            distinct += BitOperations.PopCount(part);
        // As in FirstCue and its like: an order that changes is another Version.
        var n = 0;
        f[n++] = Log(length);
        f[n++] = Log(c.Words);
        f[n++] = Log(c.Lines);
        f[n++] = (double)c.Letters / words;
        f[n++] = 10d * c.LongWords / words;
        f[n++] = Log((double)c.Words / Math.Max(1, c.Sentences));
        f[n++] = 10d * c.Digits / characters;
        f[n++] = Log(c.Numbers);
        f[n++] = Log(c.Decimals + c.Money);
        f[n++] = Log(c.Dollars + c.Backslashes);
        f[n++] = Log(c.MathSigns);
        f[n++] = Log(c.SingleLetters);
        f[n++] = 10d * c.CodeSigns / characters;
        f[n++] = (double)c.Indented / Math.Max(1, c.Lines);
        f[n++] = Log(c.Options);
        f[n++] = Log((double)c.OptionCharacters / Math.Max(1, c.Options));
        f[n++] = Log(c.Questions);
        f[n++] = Log(c.Sentences);
        f[n++] = 10d * c.Names / words;
        f[n++] = 10d * c.NonAscii / characters;
        f[n++] = 10d * (c.Punctuation + c.Quotes) / characters;
        f[n++] = Log(c.JsonNames);
        f[n++] = (double)distinct / Math.Min(1024, words);
        for (var cue = Cue.Maths; cue < Cue.Kinds; cue++)
            f[n++] = Math.Min(4, 10 * Math.Sqrt(c.Cues[(int)cue] / (double)words));
    }

    private static double Log(double count) => Math.Log(1 + count);

    [InlineArray(16)]
    private struct Bits
    {
        private ulong _first;
    }

    [InlineArray((int)Cue.Kinds)]
    private struct CueCounts
    {
        private int _first;
    }

    private struct Counts
    {
        public int Characters, Words, Letters, LongWords, Names, SingleLetters, Lines, Indented, Options, OptionCharacters, Sentences, Questions, Digits, Numbers, Decimals, Dollars, Money;
        public int MathSigns, Backslashes, CodeSigns, NonAscii, Punctuation, Quotes, JsonNames;
        public Bits Seen;
        public CueCounts Cues;
    }

    /// <summary>Cue words by a hash of their lower-case letters, at most a quarter full; each hit is compared, so that no other word is taken for one.</summary>
    private sealed class CueTable
    {
        public const uint Seed = 2166136261;

        private const int Size = 4096;
        private readonly string?[] _words = new string?[Size];
        private readonly Cue[] _cues = new Cue[Size];

        public CueTable((Cue Cue, string Words)[] lexicon)
        {
            foreach (var (cue, words) in lexicon)
                foreach (var word in words.Split(' '))
                {
                    Put(word, cue);
                    if (word.Length > 2)
                        Put(word + "s", cue);
                }
        }

        public static uint Add(uint hash, char lower) => (hash ^ lower) * 16777619;

        public Cue Find(uint hash, ReadOnlySpan<char> word)
        {
            for (var at = hash & (Size - 1); _words[at] is { } found; at = (at + 1) & (Size - 1))
                if (word.Equals(found, StringComparison.OrdinalIgnoreCase))
                    return _cues[at];
            return Cue.None;
        }

        // A word of two groups counts for the first.
        private void Put(string word, Cue cue)
        {
            var hash = Seed;
            foreach (var letter in word)
                hash = Add(hash, letter);
            if (Find(hash, word) != Cue.None)
                return;
            var at = hash & (Size - 1);
            while (_words[at] is not null)
                at = (at + 1) & (Size - 1);
            (_words[at], _cues[at]) = (word, cue);
        }
    }
}
