using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Mails;

/// <summary>One mail to one person, plain text; a line of its own that is a link is a button in the HTML that goes with it.</summary>
public sealed record Mail(string To, string Subject, string Text)
{
    /// <summary>Names and values that stand in the text as <see cref="Lines"/> writes them: in the HTML they are a table.</summary>
    public IReadOnlyList<AlertFact> Facts { get; init; } = [];

    /// <summary>A paragraph with a line for each; below it its address, where it has one.</summary>
    public static string Lines(IReadOnlyList<AlertFact> facts) => string.Join('\n', facts.Select(f => f.Link is null ? $"{f.Name}: {f.Value}" : $"{f.Name}: {f.Value}\n  {f.Link}"));
}

/// <summary>Takes mails for delivery. Returns at once: whoever asked must not learn from the time it takes whether a mail was sent.</summary>
public interface IMailer
{
    void Send(Mail mail);
}

/// <summary>Addresses of the portal's pages, for mails and notices. Built from <c>Portal:PublicUrl</c>, never from a request.</summary>
public interface IPortalLinks
{
    /// <param name="path">Begins with a slash.</param>
    string Link(string path, params (string Name, string Value)[] query);
}
