using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// Keeps, beside <see cref="RequestReader"/>'s one pass, the account of a <see cref="RequestExtent"/>: what is media, what are tools, what is
/// not in the body at all.
/// </summary>
/// <remarks>
/// Two rules keep it on the safe side. Bytes leave the account of text only where the same object names them as media in a place where media
/// belong, and each time an image or a medium is counted instead. And inside what a client's tool was called with or gave back, whatever its
/// names, everything is text.
/// </remarks>
internal struct ExtentScan(RequestExtent extent)
{
    private enum Name : byte
    {
        None, Type, Data, Mime, ImageUrl, InputAudio, VideoUrl, Url, FileData, FileId, FileUri, Images, Ttl, MaxUses, Opaque, MediaHolder,
        WebSearch, CodeExecution, FileSearch, Maps, UrlContext, ClientDeclarations, OtherTool, Mode,
    }

    private enum Region : byte { Content, Tools, Prediction, Management, Other, Documents, Query, MediaList, Limits, Reasoning }

    private const int MaxDepth = 130;

    // Shorter than any medium. What is left in the account of text costs next to nothing.
    private const int LeastMediaBytes = 64;

    // The longest of our names with every letter as \uXXXX.
    private const int LongestName = 192;

    [System.Runtime.CompilerServices.InlineArray(MaxDepth)]
    private struct Names
    {
        private Name _first;
    }

    private Names _names;
    private Region _region;
    private bool _afterName;
    private int _opaqueAt;
    private int _imageAt;
    private int _partAt;
    private long _partData;
    private bool _partIsText;
    private bool _partIsImage;
    private bool _partIsMedia;
    private int _excludedImages;
    private int _namedImages;
    private int _namedMedia;
    private int _excludedMedia;
    private ServerTools _tool;
    private bool _toolIsClients;
    private bool _toolIsProvidersOwn;
    private long? _toolUses;
    private long _media;
    private bool _top;
    private BeyondBody _topBeyond;
    private ServerTools _topTools;
    private bool _toolCallLimit;
    private bool _topIsPrompt;

    public void Token(ref Utf8JsonReader reader)
    {
        var depth = reader.CurrentDepth;
        switch (reader.TokenType)
        {
            case JsonTokenType.PropertyName:
                if (depth == 1)
                    Top(ref reader);
                _names[depth] = NameOf(ref reader, depth);
                _afterName = true;
                return;

            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                if (_region == Region.Tools)
                    extent.ToolValues++;
                if (_top)
                    Said(ref reader);
                if (!_afterName)
                    _names[depth] = Name.None;
                if (_afterName && depth >= 2 && _opaqueAt == 0 && _region == Region.Content && _names[depth] == Name.Opaque)
                    _opaqueAt = depth;
                if (_region == Region.Tools && depth == 3 && _afterName)
                    ToolByName(_names[depth]);
                if (_region == Region.Content && _names[depth] is Name.MediaHolder or Name.FileData && _afterName && _opaqueAt == 0)
                    _namedMedia++;
                if (_region == Region.Documents && depth == 2)
                    extent.Documents++;
                _afterName = false;
                return;

            case JsonTokenType.EndObject or JsonTokenType.EndArray:
                _afterName = false;
                if (_opaqueAt == depth)
                    _opaqueAt = 0;
                if (_imageAt > depth)
                    _imageAt = 0;
                if (_partAt > depth)
                    EndPart();
                if (_region == Region.Tools && depth == 2 && reader.TokenType == JsonTokenType.EndObject)
                    EndTool();
                return;

            default:
                if (_top)
                    Said(ref reader);
                Scalar(ref reader, depth);
                _afterName = false;
                return;
        }
    }

    public void End(int bodyBytes)
    {
        extent.Images = Math.Max(_namedImages, _excludedImages);
        extent.OtherMedia = Math.Max(_namedMedia, _excludedMedia);
        extent.TextBytes = bodyBytes - _media;
    }

    // What the top-level name itself says, once its value is known not to be null or false.
    private void Said(ref Utf8JsonReader reader)
    {
        if (reader.CurrentDepth != 1 || reader.TokenType is JsonTokenType.Null or JsonTokenType.False)
            return;

        _top = false;
        if (_topIsPrompt && reader.TokenType == JsonTokenType.StartObject)
            extent.Beyond |= BeyondBody.StoredRequest; // Responses: {"id": "pmpt_…"}
        extent.Beyond |= _topBeyond;
        extent.ServerTools |= _topTools;
        extent.Unlimited |= _topTools;
    }

    private void Top(ref Utf8JsonReader reader)
    {
        _top = true;
        _topBeyond = BeyondBody.None;
        _topTools = ServerTools.None;
        _toolCallLimit = _topIsPrompt = false;
        _region = Region.Content;
        var name = Plain(ref reader);
        if (name.SequenceEqual("tools"u8) || name.SequenceEqual("functions"u8))
            _region = Region.Tools;
        else if (name.SequenceEqual("prompt"u8))
            _topIsPrompt = true;
        else if (name.SequenceEqual("prediction"u8))
            _region = Region.Prediction;
        else if (name.SequenceEqual("context_management"u8))
            _region = Region.Management;
        else if (name.SequenceEqual("reasoning"u8))
            _region = Region.Reasoning;
        else if (name.SequenceEqual("documents"u8) || name.SequenceEqual("texts"u8))
            _region = Region.Documents;
        else if (name.SequenceEqual("query"u8))
            _region = Region.Query;
        else if (name.SequenceEqual("images"u8) || name.SequenceEqual("image"u8) || name.SequenceEqual("mask"u8) || name.SequenceEqual("input_references"u8))
            _region = Region.MediaList;
        else if (name.SequenceEqual("previous_response_id"u8) || name.SequenceEqual("conversation"u8) || name.SequenceEqual("previous_interaction_id"u8)
            || name.SequenceEqual("cachedContent"u8) || name.SequenceEqual("cached_content"u8) || name.SequenceEqual("container"u8) || name.SequenceEqual("thread"u8)
            || name.SequenceEqual("conversation_id"u8))
            _topBeyond = BeyondBody.Input;
        else if (name.SequenceEqual("agent"u8) || name.SequenceEqual("agent_id"u8) || name.SequenceEqual("assistant_id"u8))
            _topBeyond = BeyondBody.StoredRequest;
        else if (name.SequenceEqual("models"u8) || name.SequenceEqual("fallbacks"u8) || name.SequenceEqual("plugins"u8) || name.SequenceEqual("route"u8))
            _topBeyond = BeyondBody.OtherModels;
        else if (name.SequenceEqual("background"u8))
            _topBeyond = BeyondBody.Background;
        else if (name.SequenceEqual("mcp_servers"u8))
            _topTools = ServerTools.Mcp;
        else if (name.SequenceEqual("web_search_options"u8) || name.SequenceEqual("search_parameters"u8) || name.SequenceEqual("connectors"u8)
            || name.SequenceEqual("enable_search"u8))
            _topTools = ServerTools.WebSearch;
        else if (name.SequenceEqual("venice_parameters"u8))
            _region = Region.Other;
        else if (name.SequenceEqual("max_tool_calls"u8))
            _toolCallLimit = true;
        else if (name.SequenceEqual("response_format"u8) || name.SequenceEqual("text"u8) || name.SequenceEqual("format"u8) || name.SequenceEqual("generationConfig"u8)
            || name.SequenceEqual("generation_config"u8) || name.SequenceEqual("output_config"u8) || name.SequenceEqual("metadata"u8) || name.SequenceEqual("options"u8))
            _region = Region.Limits;
    }

    // A name may be written with escapes, and the provider reads it all the same. A longer one, or one with a lone surrogate in it, is none of ours.
    private static ReadOnlySpan<byte> Plain(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped)
            return reader.ValueSpan;
        if (reader.ValueSpan.Length > LongestName)
            return default;
        try
        {
            var buffer = new byte[LongestName];
            return buffer.AsSpan(0, reader.CopyString(buffer));
        }
        catch (InvalidOperationException)
        {
            return default;
        }
    }

    private readonly Name NameOf(ref Utf8JsonReader reader, int depth)
    {
        var name = Plain(ref reader);
        if (_region == Region.Tools && depth == 3)
        {
            return name.Length is < 4 or > 32 ? Name.None
                : name.SequenceEqual("type"u8) ? Name.Type
                : name.SequenceEqual("max_uses"u8) ? Name.MaxUses
                : name.SequenceEqual("functionDeclarations"u8) || name.SequenceEqual("function_declarations"u8) ? Name.ClientDeclarations
                : name.SequenceEqual("googleSearch"u8) || name.SequenceEqual("google_search"u8) || name.SequenceEqual("googleSearchRetrieval"u8)
                    || name.SequenceEqual("google_search_retrieval"u8) || name.SequenceEqual("enterpriseWebSearch"u8) ? Name.WebSearch
                : name.SequenceEqual("codeExecution"u8) || name.SequenceEqual("code_execution"u8) ? Name.CodeExecution
                : name.SequenceEqual("fileSearch"u8) || name.SequenceEqual("file_search"u8) || name.SequenceEqual("retrieval"u8) ? Name.FileSearch
                : name.SequenceEqual("googleMaps"u8) || name.SequenceEqual("google_maps"u8) ? Name.Maps
                : name.SequenceEqual("urlContext"u8) || name.SequenceEqual("url_context"u8) ? Name.UrlContext
                : name.SequenceEqual("computerUse"u8) || name.SequenceEqual("computer_use"u8) ? Name.ClientDeclarations
                : name.SequenceEqual("mcpServers"u8) || name.SequenceEqual("mcp_servers"u8) ? Name.OtherTool
                : Name.None;
        }

        if (name.Length >= Firsts.Length || name.IsEmpty || (Firsts[name.Length] & (1u << (name[0] & 31))) == 0)
            return Name.None; // most names end here
        foreach (var (bytes, known) in ByName)
            if (name.SequenceEqual(bytes))
                return known == Name.Opaque && depth == 1 ? Name.None : known;
        return Name.None;
    }

    // Names inside messages and other content that mean something at any depth; those of Opaque not at the top.
    private static readonly (byte[] Bytes, Name Name)[] ByName = Array.ConvertAll<(string, Name), (byte[], Name)>(
    [
        ("type", Name.Type), ("data", Name.Data), ("mode", Name.Mode), ("url", Name.Url), ("ttl", Name.Ttl), ("uri", Name.FileUri), ("images", Name.Images),
        ("mimeType", Name.Mime), ("mime_type", Name.Mime), ("media_type", Name.Mime), ("image_url", Name.ImageUrl), ("video_url", Name.VideoUrl), ("input_audio", Name.InputAudio),
        ("file_id", Name.FileId), ("fileUri", Name.FileId), ("file_url", Name.FileId), ("file_ids", Name.FileId), ("file_uri", Name.FileId), ("document_url", Name.FileId),
        ("file_data", Name.FileData), ("fileData", Name.MediaHolder), ("args", Name.Opaque), ("input", Name.Opaque), ("response", Name.Opaque), ("arguments", Name.Opaque),
    ],
    n => (System.Text.Encoding.ASCII.GetBytes(n.Item1), n.Item2));

    // By length, the letters that one of them begins with.
    private static readonly uint[] Firsts = FirstsOf();

    private static uint[] FirstsOf()
    {
        var firsts = new uint[16];
        foreach (var (bytes, _) in ByName)
            firsts[bytes.Length] |= 1u << (bytes[0] & 31);
        return firsts;
    }

    private void Scalar(ref Utf8JsonReader reader, int depth)
    {
        var name = _afterName ? _names[depth] : Name.None;
        switch (_region)
        {
            case Region.Tools:
                extent.ToolValues++;
                if (depth == 3 && name == Name.Type && reader.TokenType == JsonTokenType.String)
                    ToolByType(reader.ValueSpan);
                else if (depth == 3 && name == Name.MaxUses && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var uses) && uses >= 0)
                    _toolUses = Math.Max(uses, _toolUses ?? 0);
                else if (name == Name.Ttl && reader.TokenType == JsonTokenType.String)
                    extent.CacheLifetimeSaid = true;
                return;

            case Region.Prediction:
                extent.PredictionBytes += reader.ValueSpan.Length;
                return;

            case Region.Management:
                if (reader.TokenType == JsonTokenType.String && reader.ValueSpan.StartsWith("compact"u8))
                    extent.Beyond |= BeyondBody.Compaction;
                return;

            case Region.Reasoning:
                if (name == Name.Mode && !(reader.TokenType == JsonTokenType.Null || (reader.TokenType == JsonTokenType.String && reader.ValueSpan.SequenceEqual("default"u8))))
                    extent.Beyond |= BeyondBody.ManyRuns;
                return;

            case Region.Query:
                extent.QueryBytes += reader.ValueSpan.Length;
                return;

            // A search that the caller switches on inside the provider's own parameters: any text or true that isn't "off" or "disabled" may be one.
            case Region.Other:
                if (reader.TokenType == JsonTokenType.String && !reader.ValueSpan.SequenceEqual("off"u8))
                    (extent.ServerTools, extent.Unlimited) = (extent.ServerTools | ServerTools.WebSearch, extent.Unlimited | ServerTools.WebSearch);
                return;

            case Region.Limits:
                return;
        }

        if (_toolCallLimit && depth == 1 && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var calls) && calls >= 0)
            extent.MaxToolCalls = Math.Max(calls, extent.MaxToolCalls ?? 0);
        if (_region == Region.Documents && depth == 2)
            extent.Documents++;
        if (reader.TokenType == JsonTokenType.String)
            Text(reader.ValueSpan, name, depth);
    }

    private void Text(ReadOnlySpan<byte> text, Name name, int depth)
    {
        if (name == Name.Ttl)
            extent.CacheLifetimeSaid = true;
        if (_opaqueAt > 0 && depth > _opaqueAt)
            return;
        var parent = depth > 0 ? _names[depth - 1] : Name.None;
        if (_region == Region.MediaList || (!_afterName && parent == Name.Images))
        {
            // A list of images, or one: links or base64, bare or as data URLs.
            if (_region == Region.MediaList && _afterName && depth > 1 && name is not (Name.Url or Name.Data or Name.ImageUrl))
                return;
            Exclude(text.Length, image: true);
            return;
        }

        switch (name)
        {
            case Name.Type:
                TypeSaid(text, depth);
                break;

            case Name.ImageUrl when text.StartsWith("data:"u8):
            case Name.Url when parent == Name.ImageUrl && text.StartsWith("data:"u8):
                Exclude(text.Length, image: true);
                break;

            case Name.ImageUrl:
            case Name.Url when parent == Name.ImageUrl:
                _namedImages = Math.Max(_namedImages, 1);
                break;

            case Name.Url when parent == Name.VideoUrl:
            case Name.VideoUrl:
            case Name.FileData:
                Exclude(text.Length, image: false);
                break;

            case Name.FileId or Name.FileUri when _imageAt == 0:
                _namedMedia++;
                break;

            case Name.Data when parent == Name.InputAudio:
                Exclude(text.Length, image: false);
                break;

            case Name.Data:
                Part(depth);
                _partData += text.Length;
                break;

            case Name.Mime:
                Part(depth);
                if (text.StartsWith("image/"u8))
                    _partIsImage = true;
                else if (text.StartsWith("audio/"u8) || text.StartsWith("video/"u8) || text.SequenceEqual("application/pdf"u8))
                    _partIsMedia = true;
                else
                    _partIsText = true;
                break;
        }
    }

    private void TypeSaid(ReadOnlySpan<byte> type, int depth)
    {
        if (type.SequenceEqual("image"u8) || type.SequenceEqual("input_image"u8) || type.SequenceEqual("image_url"u8))
        {
            _namedImages++;
            if (_imageAt == 0)
                _imageAt = depth;
        }
        else if (type.SequenceEqual("input_audio"u8) || type.SequenceEqual("audio"u8) || type.SequenceEqual("audio_url"u8) || type.SequenceEqual("video"u8)
            || type.SequenceEqual("video_url"u8) || type.SequenceEqual("input_video"u8) || type.SequenceEqual("input_file"u8) || type.SequenceEqual("document_url"u8)
            || type.SequenceEqual("container_upload"u8) || type.SequenceEqual("item_reference"u8))
        {
            _namedMedia++;
        }
        else if ((type.SequenceEqual("file"u8) || type.SequenceEqual("url"u8)) && _imageAt == 0)
        {
            _namedMedia++; // a document by id or link
        }
        else if (type.StartsWith("compaction_trigger"u8))
        {
            extent.Beyond |= BeyondBody.Compaction;
        }
    }

    private void Part(int depth)
    {
        if (_partAt == depth)
            return;
        if (_partAt > 0)
            EndPart();
        _partAt = depth;
    }

    private void EndPart()
    {
        // Two kinds said of one object: which one the provider takes can't be known, so that it counts as all of them, and as text.
        if (_partIsMedia)
            _excludedMedia++;
        if (_partIsImage)
            _excludedImages++;
        if (!_partIsText && (_partIsMedia || _partIsImage) && _partData >= LeastMediaBytes)
            _media += _partData;
        _partAt = 0;
        _partData = 0;
        _partIsText = _partIsImage = _partIsMedia = false;
    }

    private void Exclude(int bytes, bool image)
    {
        if (image)
            _excludedImages++;
        else
            _excludedMedia++;
        if (bytes >= LeastMediaBytes)
            _media += bytes;
    }

    private void ToolByType(ReadOnlySpan<byte> type)
    {
        if (type.SequenceEqual("function"u8) || type.SequenceEqual("custom"u8) || type.SequenceEqual("apply_patch"u8) || type.SequenceEqual("local_shell"u8)
            || type.SequenceEqual("namespace"u8))
        {
            _toolIsClients = true;
        }
        else if (type.StartsWith("computer"u8) || type.StartsWith("bash_"u8) || type.StartsWith("text_editor_"u8) || type.StartsWith("memory_"u8))
        {
            _toolIsClients = _toolIsProvidersOwn = true;
        }
        else
        {
            _tool |= type.StartsWith("web_search"u8) || type.SequenceEqual("google_search"u8) || type.SequenceEqual("x_search"u8) ? ServerTools.WebSearch
                : type.StartsWith("web_fetch"u8) || type.SequenceEqual("url_context"u8) ? ServerTools.WebFetch
                : type.StartsWith("code_execution"u8) || type.SequenceEqual("code_interpreter"u8) ? ServerTools.CodeExecution
                : type.SequenceEqual("file_search"u8) ? ServerTools.FileSearch
                : type.StartsWith("tool_search"u8) ? ServerTools.ToolSearch
                : type.StartsWith("mcp"u8) ? ServerTools.Mcp
                : type.StartsWith("image_generation"u8) ? ServerTools.ImageGeneration
                : type.StartsWith("advisor"u8) ? ServerTools.Advisor
                : ServerTools.Other;
        }
    }

    private void ToolByName(Name name)
    {
        switch (name)
        {
            case Name.ClientDeclarations:
                _toolIsClients = true;
                break;
            case Name.WebSearch:
                _tool |= ServerTools.WebSearch;
                break;
            case Name.CodeExecution:
                _tool |= ServerTools.CodeExecution;
                break;
            case Name.FileSearch:
                _tool |= ServerTools.FileSearch;
                break;
            case Name.Maps:
                _tool |= ServerTools.Maps;
                break;
            case Name.UrlContext:
                _tool |= ServerTools.WebFetch;
                break;
            case Name.OtherTool:
                _tool |= ServerTools.Other;
                break;
        }
    }

    private void EndTool()
    {
        if (_tool == ServerTools.None || _toolIsClients)
        {
            extent.ClientTools++;
            if (_toolIsProvidersOwn)
                extent.ProvidersOwnTools++;
        }

        if (_tool != ServerTools.None)
        {
            extent.ServerTools |= _tool;
            if (_toolUses is { } uses)
                extent.ToolUses = Math.Min(1_000_000, extent.ToolUses + Math.Min(1_000_000, uses));
            else
                extent.Unlimited |= _tool;
        }

        _tool = ServerTools.None;
        _toolIsClients = _toolIsProvidersOwn = false;
        _toolUses = null;
    }
}
