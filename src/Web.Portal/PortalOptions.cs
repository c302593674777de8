using System.ComponentModel.DataAnnotations;

namespace Tokonomics.Web.Portal;

/// <summary>Who may make an account.</summary>
public enum SignupPolicy
{
    /// <summary>Everybody.</summary>
    Open,

    /// <summary>Whoever is invited by a member of a tenant.</summary>
    Invite,

    /// <summary>Nobody; those who have an account go on.</summary>
    Closed,
}

/// <summary>Settings of the portal: section <c>Portal</c>.</summary>
public sealed class PortalOptions
{
    /// <summary>The address under which people reach this installation. Links and examples are built from it, never from a request's Host header.</summary>
    [Required]
    public Uri PublicUrl { get; set; } = new("http://localhost:8080");

    /// <summary>Further names under which the portal's pages answer, separated by commas; any other Host is refused. `localhost` and the name in PublicUrl always do.</summary>
    public string Hosts { get; set; } = "";

    /// <summary>Where applications send their calls, for the snippets; empty where it is PublicUrl.</summary>
    public Uri? ProxyUrl { get; set; }

    /// <summary>Who may make an account: `Open`, `Invite` or `Closed`.</summary>
    public SignupPolicy Signup { get; set; } = SignupPolicy.Open;

    /// <summary>E-mail addresses of those who run this installation, separated by commas: they see the operator's area once they have signed up and verified that address.</summary>
    public string Operators { get; set; } = "";

    /// <summary>Tokens of the operator's API (`/api/v1/operator`), separated by commas, so that an old and a new one can be valid at once; each 32 characters or more, from `openssl rand -hex 32` for example. Empty: there is no such API.</summary>
    public string OperatorTokens { get; set; } = "";

    /// <summary>The fewest characters of a password, 8 to 64. Passwords that are tried first by those who guess are refused whatever their length.</summary>
    [Range(8, 64, ErrorMessage = "Portal:MinPasswordLength must be 8 to 64")]
    public int MinPasswordLength { get; set; } = 10;

    /// <summary>How often one address may try to sign in within five minutes, and sign up or ask for a mail within an hour; then the answer is 429. 5 to 10,000; more where many people share an address.</summary>
    [Range(5, 10_000, ErrorMessage = "Portal:TriesPerAddress must be 5 to 10,000")]
    public int TriesPerAddress { get; set; } = 60;

    /// <summary>Lets people sign in over plain http from other machines. Their passwords and sessions can be read on the way: for a closed network alone.</summary>
    public bool AllowInsecureSignIn { get; set; }

    public Uri CallsUrl => ProxyUrl ?? PublicUrl;

    public bool IsOperator(string email) => Parts(Operators).Contains(email, StringComparer.OrdinalIgnoreCase);

    internal IReadOnlyList<string> OperatorTokenList => Parts(OperatorTokens);

    internal bool Answers(string host) =>
        host.Equals(PublicUrl.Host, StringComparison.OrdinalIgnoreCase) || IsLocal(host) || Parts(Hosts).Contains(host, StringComparer.OrdinalIgnoreCase);

    internal static bool IsLocal(string host) => host is "localhost" or "127.0.0.1" or "[::1]" || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase);

    private static string[] Parts(string text) => text.Split([',', ' ', ';'], StringSplitOptions.RemoveEmptyEntries);
}
