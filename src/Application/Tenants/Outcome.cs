namespace Tokonomics.Application.Tenants;

/// <summary>What kind of "no" an answer is; hosts turn it into a status or an exit code.</summary>
public enum RefusalKind
{
    /// <summary>The request itself is wrong; <see cref="Refusal.Fields"/> says where.</summary>
    Invalid,

    /// <summary>There is no such thing, or none that this caller may know of: the two are not told apart.</summary>
    NotFound,
    Forbidden,

    /// <summary>The request is right, the state of things forbids it.</summary>
    Conflict,
}

/// <summary>Why a use case didn't do what was asked.</summary>
/// <param name="Code">Stable, for programs: <c>key_not_found</c>.</param>
/// <param name="Message">A sentence for people, which says what to do.</param>
public sealed record Refusal(RefusalKind Kind, string Code, string Message)
{
    public IReadOnlyList<FieldProblem> Fields { get; init; } = [];

    public static Refusal NotFound(string what) => new(RefusalKind.NotFound, $"{what}_not_found", $"There is no such {what.Replace('_', ' ')}.");

    public static Refusal Invalid(string field, string message) =>
        new(RefusalKind.Invalid, "invalid", message) { Fields = [new FieldProblem(field, message)] };
}

public sealed record FieldProblem(string Field, string Message);

/// <summary>What the pipeline needs to know of an outcome without knowing its type.</summary>
public interface IOutcome<TSelf>
    where TSelf : IOutcome<TSelf>
{
    Refusal? Refusal { get; }

    object? Done { get; }

    static abstract TSelf From(Refusal refusal);
}

/// <summary>The answer of a use case: what it did, or why it didn't. Expected failures are values; exceptions are for the unexpected.</summary>
public sealed class Outcome<T> : IOutcome<Outcome<T>>
    where T : class
{
    private readonly T? _value;

    private Outcome(T? value, Refusal? refusal) => (_value, Refusal) = (value, refusal);

    public Refusal? Refusal { get; }

    public bool Succeeded => Refusal is null;

    /// <exception cref="InvalidOperationException">It was refused.</exception>
    public T Value => _value ?? throw new InvalidOperationException($"refused as {Refusal!.Code}: {Refusal.Message} Look at Refusal before Value.");

    object? IOutcome<Outcome<T>>.Done => _value;

    public static implicit operator Outcome<T>(T value) => new(value, null);

    public static implicit operator Outcome<T>(Refusal refusal) => new(null, refusal);

    static Outcome<T> IOutcome<Outcome<T>>.From(Refusal refusal) => refusal;
}
