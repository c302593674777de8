namespace Tokonomics.Application.Users;

/// <summary>Tells the first sending of a form from a second press of its button, on whichever portal it arrives.</summary>
public interface ISentForms
{
    /// <param name="formId">Random, made with the form.</param>
    /// <returns>False where it was sent before.</returns>
    Task<bool> FirstAsync(string formId, CancellationToken cancellationToken);
}
