# The whole product in one container: docker build -t tokonomics . && docker run -p 8080:8080 -v tokonomics:/data tokonomics
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN dotnet publish src/Standalone -c Release -o /app

FROM mcr.microsoft.com/dotnet/aspnet:10.0
WORKDIR /app
COPY --from=build /app .
# 1654 is the user "app" of the base image; the data folder is its own.
RUN mkdir /data && chown 1654:1654 /data
USER 1654
ENV TOKONOMICS_DATA=/data ASPNETCORE_URLS=http://0.0.0.0:8080
EXPOSE 8080
VOLUME /data
ENTRYPOINT ["dotnet", "Tokonomics.Standalone.dll"]
